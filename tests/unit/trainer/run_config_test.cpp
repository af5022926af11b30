// The whole configuration: reading it on all ranks, rules across keys, the vocabulary.
#include <catch2/catch.hpp>

#include <fstream>
#include <mutex>

#include "echelon/comm/world.h"
#include "echelon/config/tools.h"
#include "echelon/data/prepare.h"
#include "echelon/trainer/trainer.h"
#include "tests/support/scratch.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::test;
using Catch::Contains;

namespace {

trainer::LoadedRun loaded(const std::vector<std::string>& overrides) {
  const auto self = comm::make_self();
  return trainer::load_run(
      {.file = ECHELON_SOURCE "/configs/test/tiny-gpt2.yaml", .overrides = overrides}, *self);
}

/// What `body` throws; ok when nothing.
Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return {ExitCode::ok, "", ""};
}

Error check(const std::vector<std::string>& overrides, int ranks) {
  auto run = loaded(overrides);
  run.config.model.vocab_size = 257;
  return error_of([&] { trainer::check_run(run, ranks); });
}

}  // namespace

TEST_CASE("every rank reads the same configuration, rank 0 alone the file", "[trainer]") {
  const Scratch folder;
  std::ofstream(folder.path() / "run.yaml")
      << "name: shared\nmodel: {num_layers: 3, norm_epsilon: 1.25e-6}\ndata: {data_path: [a, b]}\n";
  for_each_world_kind([&](comm::Communicator& world) {
    const auto file = folder.path() / (world.rank() == 0 ? "run.yaml" : "not-there.yaml");
    const auto run = trainer::load_run({.file = file, .overrides = {"seed=9"}}, world);
    expect(run.config.model.num_layers == 3 && run.config.seed == 9, "values");
    expect(run.config.model.norm_epsilon == 1.25e-6, "numbers to the last bit");
    expect(run.config.data.data_path == std::vector<std::string>{"a", "b"}, "lists");
    const std::string mine = config::canonical(run.settings);
    expect(comm::broadcast(world, mine, 0) == mine, "the same everywhere");
  });
}

TEST_CASE("a bad file is known to every rank, with its id", "[trainer]") {
  const Scratch folder;
  const auto file = folder.path() / "run.yaml";
  std::ofstream(file) << "model:\n  num_layer: 3\n";
  for_each_world_kind([&](comm::Communicator& world) {
    const Error error = error_of(
        [&] { static_cast<void>(trainer::load_run({.file = file, .overrides = {}}, world)); });
    expect(error.code() == ExitCode::config && error.id() == "C1", error.id());
    const std::string text = error.what();
    expect(text.find("run.yaml:2:3: ") != text.npos && text.find("model.num_layers") != text.npos,
           text);
  });
}

TEST_CASE("layouts that fit are accepted", "[trainer]") {
  for (const int ranks : {1, 2, 4}) CHECK(check({}, ranks).code() == ExitCode::ok);
  CHECK(check({"parallel.tensor_model_parallel_size=2", "zero_optimization.stage=1"}, 4).code() ==
        ExitCode::ok);
  CHECK(check({"parallel.pipeline_model_parallel_size=2"}, 2).code() == ExitCode::ok);
}

TEST_CASE("each rule across keys names its key, what it found and a way out", "[trainer]") {
  struct Rule {
    std::vector<std::string> overrides;
    int ranks;
    std::string id, key, advice;
  };
  const Rule rule = GENERATE(
      Rule{{"train.global_batch_size=6"}, 2, "V04", "train.global_batch_size", "use 4 or 8"},
      Rule{{"parallel.tensor_model_parallel_size=4"}, 2, "V01", "tensor 4", "start 4 ranks"},
      Rule{{"model.num_attention_heads=5"}, 1, "V02", "model.num_attention_heads", "wanted"},
      Rule{{"parallel.pipeline_model_parallel_size=4"}, 4, "V03", "model.num_layers", "use 4"},
      Rule{{"scheduler.lr_warmup_iters=50"}, 1, "V33", "scheduler.lr_warmup_iters", "wanted"},
      Rule{{"optimizer.type=lamb", "optimizer.max_grad_norm=1"}, 1, "V06", "clip_grad", "wanted"},
      Rule{{"device=cuda"}, 1, "E1", "device", "cpu"});
  INFO(rule.overrides[0]);
  const Error error = check(rule.overrides, rule.ranks);
  CHECK(error.code() == ExitCode::config);
  CHECK(error.id() == rule.id);
  CHECK_THAT(error.what(), Contains(rule.key) && Contains(rule.advice) && Contains("found"));
}

TEST_CASE("all violations come in one message", "[trainer]") {
  const Error error = check(
      {"train.global_batch_size=7", "model.num_attention_heads=5", "scheduler.lr_warmup_iters=50"},
      2);
  CHECK_THAT(error.what(), Contains("train.global_batch_size") &&
                               Contains("model.num_attention_heads") &&
                               Contains("scheduler.lr_warmup_iters"));
  // A layout that does not fit does not hide what it would break in the model.
  const Error both = check({"parallel.tensor_model_parallel_size=3"}, 2);
  CHECK_THAT(both.what(), Contains("tensor 3 x") && Contains("a multiple of 3"));
}

TEST_CASE("the vocabulary comes from the data, and must not be smaller", "[trainer]") {
  const Scratch folder;
  data::PrepareOptions options;
  options.inputs = {ECHELON_SOURCE "/tests/data/genesis.txt"};
  options.output = (folder.path() / "text").string();
  data::prepare(options);
  const auto settled = [&](const std::string& path, int64_t vocabulary) {
    std::mutex lock;
    std::vector<Error> errors;
    std::vector<int64_t> sizes;
    comm::run_thread_ranks(2, [&](comm::Communicator& world) {
      trainer::RunConfig config;
      config.data.data_path = {path};
      config.model.vocab_size = vocabulary;
      const Error error = error_of([&] { trainer::settle_vocabulary(config, world); });
      const std::lock_guard guard(lock);
      errors.push_back(error), sizes.push_back(config.model.vocab_size);
    });
    CHECK(errors[0].code() == errors[1].code());
    CHECK(sizes[0] == sizes[1]);
    return std::pair(errors[0].code(), sizes[0]);
  };
  CHECK(settled(options.output, 0) == std::pair(ExitCode::ok, int64_t{257}));
  CHECK(settled(options.output, 300) == std::pair(ExitCode::ok, int64_t{300}));
  CHECK(settled(options.output, 200).first == ExitCode::config);
  CHECK(settled((folder.path() / "absent").string(), 0).first == ExitCode::data);
}
