// Stage 3 on a real decoder: what is gathered when, what it leaves in memory.
#include <catch2/catch.hpp>

#include <numeric>

#include "echelon/nn/init.h"
#include "echelon/ops/threads.h"
#include "echelon/sharding/gathered.h"
#include "tests/support/golden.h"
#include "tests/unit/sharding/training.h"

using namespace echelon;

namespace {

nn::ModelConfig small_model(bool tied) {
  nn::ModelConfig model;
  model.num_layers = 6;
  model.hidden_size = 32;
  model.num_attention_heads = 4;
  model.seq_length = 8;
  model.vocab_size = 29;
  model.tie_embeddings = tied;
  return model;
}

struct Seen {
  int64_t all_gathers = 0, reduce_scatters = 0, evaluation_gathers = 0;
  sharding::StoreBytes bytes;
  int64_t largest_unit = 0, all_weights = 0;  ///< bytes
  size_t weights_now = 0, weights_peak = 0;   ///< as the allocator counts
  bool values_gone = true;
};

/// Two micro-batches of one update on rank 0 of two.
Seen train(bool tied, bool overlap) {
  Seen seen;
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    test::CallCounter calls;
    const auto memory = make_cpu_allocator();
    const auto stream = make_inline_stream();
    const auto tp = comm::make_self("tp");
    const auto dp = comm::make_logged(world.split(0, world.rank(), "dp"), calls,
                                      std::make_shared<const std::string>("train"));
    const nn::ModelConfig model = small_model(tied);
    nn::GptStage decoder(model, nn::StageRange::whole(model), *tp, false);
    sharding::StoreOptions options;
    options.sharding = {3, overlap, 0};
    sharding::SyncGroups groups;
    groups.grad = dp.get();
    groups.world = &world;
    const auto store = sharding::make_param_store(options, groups, *memory);
    sharding::gather(decoder, *store);
    store->adopt(decoder.parameters());
    store->initialize(
        [&](const std::vector<nn::Parameter*>& some) { nn::initialize(some, model, 7, *stream); },
        *stream);
    store->zero_grads(*stream);
    nn::MicroBatch batch;
    batch.tokens = Tensor::zeros({1, 8}, DType::i32, *memory);
    batch.targets = Tensor::zeros({1, 8}, DType::i32, *memory);
    for (int micro = 0; micro < 2; ++micro) {
      nn::Stash stash;
      nn::Context ctx{.stream = *stream, .memory = *memory, .stash = stash, .batch = batch};
      ctx.sink = store.get();
      decoder.forward({}, ctx);
      decoder.backward({}, ctx);
    }
    store->finish(*stream);
    store->publish(*stream);
    Seen before;
    before.all_gathers = calls.calls("all_gather dp");
    before.reduce_scatters = calls.calls("reduce_scatter dp");
    nn::Stash none;
    nn::Context ctx{.stream = *stream, .memory = *memory, .stash = none, .batch = batch};
    ctx.training = false;
    decoder.forward({}, ctx);
    if (world.rank() != 0) return;
    seen = before;
    seen.evaluation_gathers = calls.calls("all_gather dp") - before.all_gathers;
    seen.bytes = store->bytes();
    for (const auto& b : store->buckets()) {
      seen.largest_unit = std::max(seen.largest_unit, 4 * b.elements);
      seen.all_weights += 4 * b.elements;
    }
    const MemoryUse use = memory->use();
    seen.weights_now = use.now[static_cast<size_t>(MemoryCategory::weights)];
    seen.weights_peak = use.peak[static_cast<size_t>(MemoryCategory::weights)];
    for (const nn::Parameter* p : store->parameters())
      seen.values_gone = seen.values_gone && !p->value.defined() && !p->grad.defined();
  });
  return seen;
}

}  // namespace

TEST_CASE(
    "A unit is gathered for forward and for backward, its gradient divided once a "
    "micro-batch",
    "[sharding]") {
  constexpr int64_t kUnits = 8, kMicros = 2;  // embedding, six blocks, head
  for (const bool overlap : {true, false})
    for (const bool tied : {true, false}) {
      INFO("overlap " << overlap << ", tied " << tied);
      const Seen seen = train(tied, overlap);
      const int64_t again = tied ? 1 : 0;  // the head reads the embedding's matrix
      CHECK(seen.all_gathers == 2 * (kUnits + again) * kMicros);
      CHECK(seen.reduce_scatters == kUnits * kMicros);
      CHECK(seen.evaluation_gathers == kUnits + again);
    }
}

TEST_CASE("Between uses a rank holds its part of the weights alone", "[sharding]") {
  for (const bool overlap : {true, false}) {
    const Seen seen = train(false, overlap);
    CHECK(seen.values_gone);
    CHECK(seen.bytes.weights == seen.all_weights / 2);
    CHECK(seen.bytes.gradients == seen.all_weights / 2);
    CHECK(seen.bytes.gathered >= seen.largest_unit);
    CHECK(seen.bytes.gathered <= 2 * seen.largest_unit);  // one in use, one on its way
    CHECK(static_cast<int64_t>(seen.weights_now) == seen.bytes.weights);
    CHECK(static_cast<int64_t>(seen.weights_peak) <= seen.bytes.weights + 2 * seen.largest_unit);
  }
}

TEST_CASE("Buckets of stage 3 hold a unit each, a tied matrix apart", "[sharding]") {
  std::vector<sharding::Extent> extents = {
      {500, true, 0}, {100, false, 0}, {70, false, 1}, {900, false, 1}, {64, false, 2}};
  sharding::ShardingConfig config;
  config.stage = 3;
  config.reduce_bucket_size = 10;
  const auto buckets = sharding::layout_buckets(extents, sharding::bucket_rule(config, 2));
  std::vector<std::vector<size_t>> held;
  for (const auto& b : buckets) {
    held.emplace_back();
    for (const auto& item : b.items) held.back().push_back(item.parameter);
  }
  CHECK(held == std::vector<std::vector<size_t>>{{4}, {3, 2}, {1}, {0}});
}

TEST_CASE("Wrong use of units is refused", "[sharding]") {
  const auto memory = make_cpu_allocator();
  sharding::StoreOptions options;
  options.sharding.stage = 3;
  const auto store = sharding::make_param_store(options, {}, *memory);
  test::ToyModel model = test::toy_model();
  auto list = model.list();
  store->units()->add_unit({list[0]});
  CHECK_THROWS_WITH(store->units()->add_unit({list[0]}), Catch::Contains("in two units"));
  CHECK_THROWS_WITH(store->adopt(list), Catch::Contains("h.0.norm.weight: in no unit"));
  options.sharding.stage = 2;
  CHECK(sharding::make_param_store(options, {}, *memory)->units() == nullptr);
}
