// What a step communicates is what the planner says, call for call and element for element.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"
#include "echelon/planner/memory.h"
#include "echelon/planner/traffic.h"
#include "echelon/telemetry/comm_log.h"
#include "src/trainer/plan_job.h"
#include "tests/parallel/grid_model.h"

using namespace echelon;

namespace {

data::Batch rows_of(const trainer::RunConfig& config, int64_t first, int64_t count,
                    Allocator& memory) {
  const Shape shape{count, config.model.seq_length};
  return {first, Tensor::zeros(shape, DType::i32, memory),
          Tensor::zeros(shape, DType::i32, memory)};
}

struct Counted {
  planner::Traffic traffic;
  sharding::StoreBytes bytes;
  int64_t states = 0, parameters = 0;
};

planner::Traffic traffic_of(const telemetry::CommSummary& summary) {
  planner::Traffic traffic;
  for (const auto& [kind, totals] : summary) {
    if (kind.phase != "train") continue;
    const DType dtype = kind.dtype == "f64" ? DType::f64 : DType::f32;
    REQUIRE(kind.dtype == name_of(dtype));
    traffic[{kind.op, kind.group, kind.group_size, dtype, kind.elements}] += totals.calls;
  }
  return traffic;
}

/// The second step of every rank.
std::vector<Counted> count(const trainer::RunConfig& config, int ranks) {
  std::vector<std::unique_ptr<telemetry::CommLog>> logs;
  for (int rank = 0; rank < ranks; ++rank) logs.push_back(std::make_unique<telemetry::CommLog>());
  std::vector<Counted> counted(static_cast<size_t>(ranks));
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    ops::use_threads(1);
    const auto rank = static_cast<size_t>(world.rank());
    const auto phase = std::make_shared<std::string>("init");
    const auto logged =
        comm::make_logged(world.split(0, world.rank(), "world"), *logs[rank], phase);
    const auto memory = make_cpu_allocator();
    trainer::Trainer trainer(config, *logged, [&](int64_t first, int64_t rows) {
      return rows_of(config, first, rows, *memory);
    });
    trainer.step();
    *phase = "train";
    trainer.step();
    *phase = "after";
    auto& parts = trainer.parts();
    counted[rank].bytes = parts.store->bytes();
    parts.optimizer->state([&](const std::string&, size_t, Tensor& t) {
      counted[rank].states += static_cast<int64_t>(t.bytes());
    });
    for (const nn::Parameter* p : parts.parameters())
      counted[rank].parameters += p->shape.elements();
  });
  for (size_t rank = 0; rank < counted.size(); ++rank)
    counted[rank].traffic = traffic_of(logs[rank]->summary());
  return counted;
}

std::string difference(const planner::Traffic& is, const planner::Traffic& wanted) {
  std::string text;
  const auto line = [&](const planner::Call& c, int64_t found, int64_t planned) {
    text += fmt::format("{} {} of {}, {} {}: {} calls, planned {}\n", c.op, c.group, c.group_size,
                        c.elements, name_of(c.dtype), found, planned);
  };
  for (const auto& [call, calls] : is)
    if (const auto it = wanted.find(call); it == wanted.end() || it->second != calls)
      line(call, calls, it == wanted.end() ? 0 : it->second);
  for (const auto& [call, calls] : wanted)
    if (!is.contains(call)) line(call, 0, calls);
  return text;
}

void expect_planned(const trainer::RunConfig& config, int ranks) {
  const auto degrees = parallel::degrees_of(config.parallel, ranks);
  const auto job = trainer::plan_job(config);
  const auto counted = count(config, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    const auto coords = parallel::coords_of(rank, degrees);
    INFO(trainer::layout_text(config, ranks)
         << " " << config.optimizer.type << " " << to_string(coords));
    const Counted& is = counted[static_cast<size_t>(rank)];
    CHECK(difference(is.traffic, planner::step_traffic(job, degrees, coords)) == "");
    const auto parts = planner::parts_of(job, degrees, coords);
    const auto memory = planner::memory_of(job, parts, degrees, coords, 1);
    CHECK(parts.parameters() == is.parameters);
    CHECK(memory.weights == is.bytes.weights);
    CHECK(memory.gradients == is.bytes.gradients);
    if (config.pipeline.pipeline_schedule == "zero_bubble" || job.chunks() > 1)
      CHECK(memory.staging <= is.bytes.staging);
    else
      CHECK(memory.staging == is.bytes.staging);
    CHECK(memory.optimizer == is.states);
  }
}

/// Every `step`-th layout of each style.
size_t walk(int ranks, size_t step) {
  size_t layouts = 0;
  for (int style = 0; style < test::kStyles; ++style) {
    const auto all = trainer::layouts_of(test::model_of_style(style), ranks);
    for (size_t i = static_cast<size_t>(style); i < all.size(); i += step, ++layouts) {
      auto config = all[i];
      test::vary(config, i);
      expect_planned(config, ranks);
    }
  }
  return layouts;
}

}  // namespace

TEST_CASE("every rank communicates what the planner predicts", "[parallel]") {
  const size_t layouts = walk(2, 3) + walk(4, 13) + walk(6, 41) + walk(8, 61);
  CHECK(layouts >= 40);
}

TEST_CASE("every rank of every layout communicates what the planner predicts", "[parallel][slow]") {
  size_t layouts = 0;
  for (const int ranks : {2, 3, 4, 6, 8}) layouts += walk(ranks, 1);
  CHECK(layouts >= 200);
}

TEST_CASE("recomputation repeats the forward collectives of its layers", "[parallel]") {
  for (const bool rows_split : {false, true})
    for (const int64_t stage : {0, 3})
      for (const auto& [method, layers] :
           std::vector<std::pair<remat::Method, int64_t>>{{remat::Method::uniform, 1},
                                                          {remat::Method::uniform, 2},
                                                          {remat::Method::block, 1}}) {
        auto config = test::model_of_style(0);
        config.parallel = {2, 1, 1, rows_split};
        config.zero_optimization.stage = stage;
        config.recompute.granularity = remat::Granularity::full;
        config.recompute.method = method;
        config.recompute.num_layers = layers;
        INFO("layers " << layers << " method " << static_cast<int>(method));
        expect_planned(trainer::shrunk(config, 4), 4);
      }
}

TEST_CASE("a ring of keys and values is counted, recomputed or not", "[parallel]") {
  for (const int64_t tp : {1, 2})
    for (const auto granularity :
         {remat::Granularity::none, remat::Granularity::selective, remat::Granularity::full}) {
      auto config = test::model_of_style(1);
      config.parallel = {tp, 2, 2, tp > 1};
      config.recompute.granularity = granularity;
      config.recompute.modules = {"core_attn", "mlp"};
      const int ranks = static_cast<int>(4 * tp);
      expect_planned(trainer::shrunk(config, ranks), ranks);
    }
}

TEST_CASE("a plan of another layout is not what is communicated", "[parallel]") {
  auto config = test::model_of_style(0);
  config.parallel = {2, 1, 1, true};
  config = trainer::shrunk(config, 4);
  const parallel::Degrees degrees{2, 1, 2, 1};
  const auto traffic = count(config, 4)[1].traffic;
  const auto planned = [&](const trainer::RunConfig& c) {
    return difference(traffic, planner::step_traffic(trainer::plan_job(c), degrees, {1, 0, 0, 0}));
  };
  CHECK(planned(config) == "");
  auto other = config;
  other.parallel.sequence_parallel = false;
  CHECK(planned(other).find("all_gather tp") != std::string::npos);
  other = config;
  other.zero_optimization.stage = 1;
  CHECK(planned(other).find("reduce_scatter grad") != std::string::npos);
  other = config;
  other.zero_optimization.reduce_bucket_size *= 2;
  CHECK(planned(other).find("all_reduce grad") != std::string::npos);
  other = config;
  other.model.num_layers += 1;
  CHECK(planned(other).find("reduce_scatter tp") != std::string::npos);
}

TEST_CASE("a pipeline sends as much as it receives, m(pv-1) messages each way", "[parallel]") {
  for (const auto& [pp, chunks] : std::vector<std::pair<int, int>>{{2, 1}, {4, 1}, {3, 2}}) {
    auto config = test::model_of_style(1);
    config.parallel.pipeline_model_parallel_size = pp;
    config.pipeline = {chunks > 1 ? "interleaved" : "1f1b", chunks, {}};
    config = trainer::shrunk(config, pp);
    const auto job = trainer::plan_job(config);
    const parallel::Degrees degrees{1, 1, 1, pp};
    int64_t sends = 0, receives = 0;
    for (int rank = 0; rank < pp; ++rank)
      for (const auto& [call, calls] :
           planner::step_traffic(job, degrees, parallel::coords_of(rank, degrees))) {
        sends += call.op == "send" ? calls : 0;
        receives += call.op == "recv" ? calls : 0;
      }
    CHECK(sends == receives);
    CHECK(sends == 2 * job.micros(degrees) * (pp * chunks - 1));
  }
}
