// A real decoder's gradients through the store: layers, tied matrix and ready calls as in training.
#include <catch2/catch.hpp>

#include "echelon/comm/world.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/nn/init.h"
#include "echelon/ops/threads.h"
#include "echelon/optim/config.h"
#include "echelon/sharding/gathered.h"
#include "tests/support/golden.h"

using namespace echelon;

namespace {

nn::ModelConfig small_model(bool tied) {
  nn::ModelConfig model;
  model.num_layers = 2;
  model.hidden_size = 16;
  model.num_attention_heads = 2;
  model.seq_length = 8;
  model.vocab_size = 29;
  model.tie_embeddings = tied;
  return model;
}

nn::MicroBatch batch_of(int row, Allocator& memory) {
  nn::MicroBatch batch;
  batch.tokens = Tensor::empty({1, 8}, DType::i32, memory);
  batch.targets = Tensor::empty({1, 8}, DType::i32, memory);
  const auto ids = test::tokens(9, 29, row);
  std::copy(ids.begin(), ids.begin() + 8, batch.tokens.data<int32_t>());
  std::copy(ids.begin() + 1, ids.end(), batch.targets.data<int32_t>());
  batch.first_sample = row;
  return batch;
}

struct Options {
  int ranks = 1;
  int64_t stage = 0;
  bool overlap = true;
  bool tied = true;
  bool deferred = false;  ///< weight gradients of all micro-batches after all input gradients
};

/// All weights of rank 0 after three updates of 8 sequences, one a micro-batch.
std::vector<float> train(const Options& with) {
  std::vector<float> weights;
  comm::run_thread_ranks(with.ranks, [&](comm::Communicator& world) {
    ops::use_threads(1);
    const auto memory = make_cpu_allocator();
    const auto stream = make_inline_stream();
    const auto tp = comm::make_self("tp");
    const nn::ModelConfig model = small_model(with.tied);
    nn::GptStage decoder(model, nn::StageRange::whole(model), *tp, false);
    sharding::StoreOptions options;
    options.sharding = {with.stage, with.overlap, 1000};
    sharding::SyncGroups groups;
    groups.grad = groups.world = &world;
    const auto store = sharding::make_param_store(options, groups, *memory);
    sharding::gather(decoder, *store);
    store->adopt(decoder.parameters());
    store->initialize(
        [&](const std::vector<nn::Parameter*>& some) { nn::initialize(some, model, 7, *stream); },
        *stream);
    const auto optimizer = optim::make_optimizer({});
    optimizer->attach(store->slices(), *memory, store->tensor_sums());
    const int mine = 8 / world.size();
    for (int step = 1; step <= 3; ++step) {
      store->zero_grads(*stream);
      nn::WgradQueue queue;
      for (int micro = 0; micro < mine; ++micro) {
        const nn::MicroBatch batch = batch_of(100 * step + world.rank() * mine + micro, *memory);
        nn::Stash stash;
        nn::Context ctx{.stream = *stream, .memory = *memory, .stash = stash, .batch = batch};
        ctx.loss_scale = 1.0f / 64;
        ctx.last_micro_batch = micro + 1 == mine || store->reduces_every_micro_batch();
        ctx.sink = store.get();
        if (with.deferred) ctx.wgrad = &queue;
        decoder.forward({}, ctx);
        decoder.backward({}, ctx);
      }
      for (const auto& work : queue) work();
      store->finish(*stream);
      optimizer->step(1e-2, 1.0, step, *stream);
      store->publish(*stream);
    }
    if (store->units())
      for (size_t unit = 0; unit < decoder.layers().size(); ++unit) store->units()->acquire(unit);
    if (world.rank() != 0) return;
    for (const nn::Parameter* p : store->parameters()) {
      if (p->name.find("qkv.bias") != std::string::npos) continue;  // the loss does not see k's
      const auto values = test::values_of(p->value);
      weights.insert(weights.end(), values.begin(), values.end());
    }
  });
  return weights;
}

}  // namespace

TEST_CASE("A decoder trains to the same weights in every stage on 1, 2 and 4 ranks", "[sharding]") {
  for (const bool tied : {true, false}) {
    const std::vector<float> one = train({.tied = tied});
    const std::vector<double> want(one.begin(), one.end());
    REQUIRE(one.size() > 6000);
    for (const int ranks : {1, 2, 4})
      for (const int64_t stage : {0, 1, 2, 3}) {
        INFO("stage " << stage << ", " << ranks << " ranks, tied " << tied);
        const auto run = train({.ranks = ranks, .stage = stage, .tied = tied});
        CHECK(test::worst_error(run, want, 1e-4, 1e-5) <= 1.0);
        const auto plain = train({.ranks = ranks, .stage = stage, .overlap = false, .tied = tied});
        CHECK(run == plain);
      }
  }
}

TEST_CASE("Weight gradients may come long after input gradients, in every stage", "[sharding]") {
  const std::vector<float> one = train({});
  const std::vector<double> want(one.begin(), one.end());
  for (const int64_t stage : {0, 1, 2, 3}) {
    INFO("stage " << stage);
    CHECK(test::worst_error(train({.ranks = 2, .stage = stage, .deferred = true}), want, 1e-4,
                            1e-5) <= 1.0);
  }
}
