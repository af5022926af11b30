// What leaves for a store comes back with the same bytes, and leaves room meanwhile.
#include <sys/resource.h>
#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>

#include "echelon/comm/world.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/nn/init.h"
#include "echelon/offload/offload_stash.h"
#include "echelon/ops/threads.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

using namespace echelon;
using offload::OffloadConfig;
using offload::OffloadStash;
using offload::Place;

namespace {

Tensor numbers(int64_t count, int seed, Allocator& memory) {
  return test::to_tensor(test::fill(count, seed), {count}, memory);
}

std::vector<OffloadConfig> places(const test::Scratch& scratch) {
  return {{Place::memory, "", 0}, {Place::file, scratch.path().string(), 0}};
}

nn::ModelConfig small_model() {
  nn::ModelConfig model;
  model.num_layers = 4;
  model.hidden_size = 32;
  model.num_attention_heads = 4;
  model.seq_length = 32;
  model.vocab_size = 61;
  model.init_method_std = 0.2;
  model.hidden_dropout = 0.1;
  return model;
}

struct Outcome {
  std::vector<float> gradients;
  double loss = 0;
  size_t stashed = 0;      ///< between forward and backward
  size_t left = 0;         ///< bytes in the store at the end
  size_t most_there = 0;   ///< in the store
  size_t activations = 0;  ///< most, as the allocator counts
};

Outcome train(const OffloadConfig& config) {
  ops::use_threads(1);
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  const auto tp = comm::make_self("tp");
  const nn::ModelConfig model = small_model();
  nn::GptStage stage(model, nn::StageRange::whole(model), *tp, false);
  nn::allocate_parameters(stage.parameters(), DType::f32, true, *memory);
  nn::initialize(stage.parameters(), model, 7, *stream);
  nn::MicroBatch batch;
  batch.tokens = Tensor::empty({8, 32}, DType::i32, *memory);
  batch.targets = Tensor::empty({8, 32}, DType::i32, *memory);
  const auto ids = test::tokens(257, 61, 5);
  std::copy(ids.begin(), ids.begin() + 256, batch.tokens.data<int32_t>());
  std::copy(ids.begin() + 1, ids.end(), batch.targets.data<int32_t>());

  const auto store = offload::make_store(config);
  std::unique_ptr<nn::Stash> stash = std::make_unique<nn::Stash>();
  if (store)
    stash = std::make_unique<OffloadStash>(*store, *memory, static_cast<size_t>(config.min_bytes));
  nn::Context ctx{.stream = *stream, .memory = *memory, .stash = *stash, .batch = batch, .seed = 9};
  ctx.loss_scale = 1.0f / 256;
  Outcome out;
  out.loss = *stage.forward({}, ctx).data<double>();
  out.stashed = stash->bytes();
  stage.backward({}, ctx);
  CHECK(stash->empty());
  for (const nn::Parameter* p : stage.parameters()) {
    const auto values = test::values_of(p->grad);
    out.gradients.insert(out.gradients.end(), values.begin(), values.end());
  }
  if (store) {
    out.left = store->bytes();
    out.most_there = store->peak_bytes();
  }
  out.activations = memory->use().peak[static_cast<size_t>(MemoryCategory::activations)];
  return out;
}

}  // namespace

TEST_CASE("Stores give back the bytes they took, in any order and size", "[offload]") {
  const test::Scratch scratch;
  const auto memory = make_cpu_allocator();
  for (const OffloadConfig& place : places(scratch)) {
    const auto store = offload::make_store(place);
    std::vector<std::pair<offload::TensorStore::Ticket, int>> held;
    size_t bytes = 0;
    for (int round = 0; round < 5; ++round) {
      for (int i = 0; i < 12; ++i) {
        const int seed = 100 * round + i;
        const Tensor t = numbers(1 + 700 * (i % 4) + i, seed, *memory);
        bytes += t.bytes();
        held.emplace_back(store->put(t), seed);
      }
      CHECK(store->bytes() == bytes);
      for (int i = 0; i < 9; ++i) {
        const size_t which = (held.size() * 7 + static_cast<size_t>(5 * i)) % held.size();
        const auto [ticket, seed] = held[which];
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        const offload::Fetched back = store->fetch(ticket, *memory);
        back.done.wait();
        const int64_t count = 1 + 700 * ((seed % 100) % 4) + seed % 100;
        CHECK(test::values_of(back.tensor) == test::fill(count, seed));
        bytes -= back.tensor.bytes();
      }
    }
    for (const auto& [ticket, seed] : held) store->drop(ticket);
    CHECK(store->bytes() == 0);
    CHECK(store->peak_bytes() > 0);
  }
  CHECK(std::filesystem::is_empty(scratch.path()));  // the file has no name
}

TEST_CASE("A stash keeps order, small tensors and tensors pushed twice", "[offload]") {
  const test::Scratch scratch;
  const auto memory = make_cpu_allocator();
  for (const OffloadConfig& place : places(scratch)) {
    const auto store = offload::make_store(place);
    OffloadStash stash(*store, *memory, 400);
    const auto check = [&](int64_t count, int seed) {
      CHECK(test::values_of(stash.pop()) == test::fill(count, seed));
    };
    {
      const Tensor twice = numbers(1000, 1, *memory);
      stash.push(twice);
      stash.push(numbers(99, 2, *memory));
      stash.push(twice);
      CHECK(store->bytes() == 4000);
    }
    // freed memory is handed out again: the same address is no proof of the same tensor
    for (int seed = 10; seed < 20; ++seed) stash.push(numbers(1000, seed, *memory));
    CHECK(store->bytes() == 11 * 4000);
    CHECK(stash.bytes() == 99 * 4);
    for (int seed = 19; seed >= 10; --seed) check(1000, seed);
    check(1000, 1);
    check(99, 2);
    check(1000, 1);
    CHECK(stash.empty());
    CHECK(store->bytes() == 0);
    CHECK_THROWS_WITH(stash.pop(), Catch::Contains("stash is empty"));
    {
      OffloadStash abandoned(*store, *memory, 0);
      abandoned.push(numbers(1000, 3, *memory));
    }
    CHECK(store->bytes() == 0);
  }
}

TEST_CASE("Offloaded activations give the same gradients, bit for bit, in less memory",
          "[offload]") {
  const test::Scratch scratch;
  const Outcome plain = train({});
  for (OffloadConfig config : places(scratch)) {
    config.min_bytes = 4096;
    const Outcome away = train(config);
    INFO("place " << static_cast<int>(config.activations));
    CHECK(away.loss == plain.loss);
    CHECK(away.gradients == plain.gradients);
    CHECK(away.left == 0);
    CHECK(away.stashed < plain.stashed / 10);
    CHECK(away.stashed + away.most_there >= plain.stashed);
    CHECK(away.activations < plain.activations / 2);
    config.min_bytes = 1 << 30;
    const Outcome here = train(config);
    CHECK(here.gradients == plain.gradients);
    CHECK(here.stashed == plain.stashed);
    CHECK(here.most_there == 0);
  }
}

TEST_CASE("A folder that cannot be written and a file that cannot grow are clear errors",
          "[offload]") {
  try {
    offload::make_file_store("/nonexistent/folder");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::config);
    CHECK_THAT(error.what(), Catch::Contains("offload.path: /nonexistent/folder"));
  }
  CHECK_THROWS_WITH(offload::check({Place::file, "", 0}),
                    Catch::Contains("offload.path: found nothing"));

  const test::Scratch scratch;
  const auto memory = make_cpu_allocator();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 8192;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  ExitCode code = ExitCode::ok;
  try {
    const auto store = offload::make_file_store(scratch.path().string());
    for (int i = 0; i < 8; ++i) store->put(numbers(4096, i, *memory));
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(code == ExitCode::storage);
  CHECK_THAT(message, Catch::Contains("offload.path") && Catch::Contains("while writing"));
}
