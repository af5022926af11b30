// Recomputation changes what is kept, never a bit of what comes out.
#include <catch2/catch.hpp>

#include "echelon/comm/world.h"
#include "echelon/nn/init.h"
#include "echelon/ops/threads.h"
#include "echelon/remat/rematerialized.h"
#include "tests/support/golden.h"

using namespace echelon;
using remat::Granularity;
using remat::Method;
using remat::RecomputeConfig;

namespace {

nn::ModelConfig small_model() {
  nn::ModelConfig model;
  model.num_layers = 5;
  model.hidden_size = 16;
  model.num_attention_heads = 4;
  model.seq_length = 8;
  model.vocab_size = 29;
  model.make_vocab_size_divisible_by = 4;
  model.init_method_std = 0.2;
  model.hidden_dropout = model.attention_dropout = 0.2;
  return model;
}

nn::MicroBatch batch_of(int row, Allocator& memory) {
  nn::MicroBatch batch;
  batch.tokens = Tensor::empty({2, 8}, DType::i32, memory);
  batch.targets = Tensor::empty({2, 8}, DType::i32, memory);
  const auto ids = test::tokens(17, 29, row);
  std::copy(ids.begin(), ids.begin() + 16, batch.tokens.data<int32_t>());
  std::copy(ids.begin() + 1, ids.end(), batch.targets.data<int32_t>());
  batch.first_sample = 2 * row;
  return batch;
}

struct Case {
  RecomputeConfig recompute;
  int tp = 1;
  bool sequence_parallel = false;
  bool split_backward = false;  ///< weight gradients of both micro-batches come last
};

struct Outcome {
  std::vector<float> gradients;  ///< of rank 0
  std::vector<double> losses;
  size_t stashed = 0;
  int64_t saved_bytes = 0;  ///< as the layers' cost says
  double evaluated = 0;
};

/// Two micro-batches forward, then backward.
void run(const Case& with, comm::Communicator& tp, Outcome& out) {
  ops::use_threads(1);
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  const nn::ModelConfig model = small_model();
  nn::GptStage stage(model, nn::StageRange::whole(model), tp, with.sequence_parallel);
  remat::rematerialize(stage, with.recompute);
  nn::allocate_parameters(stage.parameters(), DType::f32, true, *memory);
  nn::initialize(stage.parameters(), model, 7, *stream);
  const std::vector<nn::MicroBatch> batches = {batch_of(0, *memory), batch_of(1, *memory)};
  std::vector<nn::Stash> stashes(2);
  nn::WgradQueue queue;
  const auto context = [&](size_t i) {
    nn::Context ctx{
        .stream = *stream, .memory = *memory, .stash = stashes[i], .batch = batches[i], .seed = 77};
    ctx.step = 3;
    ctx.loss_scale = 1.0f / 32;
    if (with.split_backward) ctx.wgrad = &queue;
    return ctx;
  };
  for (size_t i = 0; i < 2; ++i) {
    nn::Context ctx = context(i);
    out.losses.push_back(*stage.forward({}, ctx).data<double>());
  }
  out.stashed = stashes[0].bytes();
  out.saved_bytes = stage.cost(16, 8, DType::f32).saved_bytes;
  for (size_t i = 0; i < 2; ++i) {
    nn::Context ctx = context(i);
    stage.backward({}, ctx);
    if (!stashes[i].empty()) throw std::runtime_error("backward left tensors on the stash");
  }
  if (with.split_backward && queue.empty()) throw std::runtime_error("nothing was put off");
  for (const auto& work : queue) work();
  for (const nn::Parameter* p : stage.parameters()) {
    const auto values = test::values_of(p->grad);
    out.gradients.insert(out.gradients.end(), values.begin(), values.end());
  }
  nn::Context ctx = context(0);
  ctx.training = false;
  out.evaluated = *stage.forward({}, ctx).data<double>();
  if (!stashes[0].empty()) throw std::runtime_error("evaluation stashed something");
}

Outcome outcome_of(const Case& with) {
  Outcome first;
  comm::run_thread_ranks(with.tp, [&](comm::Communicator& world) {
    Outcome mine;
    run(with, world, mine);
    if (world.rank() == 0) first = mine;
  });
  return first;
}

std::vector<RecomputeConfig> settings() {
  return {{Granularity::selective, Method::uniform, 1, {"core_attn"}},
          {Granularity::selective, Method::uniform, 1, {"core_attn", "mlp"}},
          {Granularity::full, Method::uniform, 1, {}},
          {Granularity::full, Method::uniform, 2, {}},
          {Granularity::full, Method::uniform, 9, {}},
          {Granularity::full, Method::block, 3, {}},
          {Granularity::full, Method::block, 9, {}}};
}

}  // namespace

TEST_CASE("Gradients with recomputation are those without, bit for bit", "[remat]") {
  struct Layout {
    int tp;
    bool sequence_parallel;
  };
  for (const auto& [tp, sp] : {Layout{1, false}, Layout{2, false}, Layout{2, true}}) {
    const Outcome plain = outcome_of({{}, tp, sp, false});
    REQUIRE(plain.gradients.size() > 6000);
    for (const RecomputeConfig& recompute : settings())
      for (const bool split : {false, true}) {
        INFO("tp " << tp << ", sequence parallel " << sp << ", split backward " << split
                   << ", granularity " << static_cast<int>(recompute.granularity) << ", method "
                   << static_cast<int>(recompute.method) << ", layers " << recompute.num_layers);
        const Outcome again = outcome_of({recompute, tp, sp, split});
        CHECK(again.losses == plain.losses);
        CHECK(again.gradients == plain.gradients);
        CHECK(again.evaluated == plain.evaluated);
        CHECK(again.stashed < plain.stashed);
      }
  }
}

TEST_CASE("The stash holds what the cost of the layers says", "[remat]") {
  constexpr size_t kInput = 16 * 16 * sizeof(float);  // 16 rows of 16 channels
  const Outcome plain = outcome_of({});
  const auto saved = [](const Outcome& o) { return static_cast<size_t>(o.saved_bytes); };
  CHECK(plain.stashed == saved(plain));
  const Outcome one = outcome_of({{Granularity::full, Method::uniform, 1, {}}});
  const Outcome two = outcome_of({{Granularity::full, Method::uniform, 2, {}}});
  const Outcome all = outcome_of({{Granularity::full, Method::uniform, 9, {}}});
  const Outcome some = outcome_of({{Granularity::full, Method::block, 3, {}}});
  CHECK(one.stashed == saved(one));
  CHECK(two.stashed == saved(two));
  CHECK(some.stashed == saved(some));
  CHECK(one.stashed - two.stashed == 2 * kInput);  // five inputs, three groups
  CHECK(two.stashed - all.stashed == 2 * kInput);
  const size_t of_a_block = (plain.stashed - one.stashed) / 5;
  CHECK(plain.stashed - some.stashed == 3 * of_a_block);
  // sequence parallelism: a rank keeps its rows alone
  const Outcome split = outcome_of({{Granularity::full, Method::uniform, 1, {}}, 2, true});
  CHECK(split.stashed == saved(split));
}

TEST_CASE("Selective recomputation drops the log-sum-exp and the hidden feed-forward rows",
          "[remat]") {
  const Outcome plain = outcome_of({});
  const Outcome core = outcome_of({{Granularity::selective, Method::uniform, 1, {"core_attn"}}});
  CHECK(plain.stashed - core.stashed == 5 * 4 * 16 * sizeof(float));  // heads x rows
  const Outcome mlp = outcome_of({{Granularity::selective, Method::uniform, 1, {"mlp"}}});
  CHECK(plain.stashed - mlp.stashed == 5 * 2 * 16 * 64 * sizeof(float));
  CHECK(mlp.stashed == static_cast<size_t>(mlp.saved_bytes));
  CHECK(core.stashed == static_cast<size_t>(core.saved_bytes));
}

TEST_CASE("An unknown module is refused with the known ones", "[remat]") {
  RecomputeConfig config;
  config.modules = {"core_atn"};
  CHECK_THROWS_WITH(remat::check(config), Catch::Contains("recompute.modules: found core_atn") &&
                                              Catch::Contains("core_attn or mlp"));
}
