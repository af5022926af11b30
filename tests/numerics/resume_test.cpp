// A run that stops and continues is the run that never stopped.
#include <catch2/catch.hpp>

#include <fstream>

#include "echelon/config/tools.h"
#include "tests/numerics/layouts.h"
#include "tests/support/scratch.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::test;
namespace fs = std::filesystem;

namespace {

trainer::SavedFacts facts_of(const trainer::RunConfig& config) {
  const auto settings = config::settings_of(config);
  return {"test", config::resolved_yaml(settings, false), config::canonical(settings, true), ""};
}

/// Saves after the last step.
Session saving(const fs::path& folder) {
  return [folder](trainer::Trainer& trainer, comm::Communicator&) {
    trainer.save(folder, facts_of(trainer.config()));
  };
}

Session resuming(const fs::path& folder, int64_t step) {
  return [folder, step](trainer::Trainer& trainer, comm::Communicator&) {
    expect(trainer.resume(folder, facts_of(trainer.config())), "a checkpoint was found");
    expect(trainer.step_number() == step, "step of the checkpoint");
    expect(trainer.consumed_samples() == step * trainer.config().train.global_batch_size,
           "samples of the checkpoint");
  };
}

trainer::RunConfig noisy(const std::string& rule) {
  auto config = tiny_gpt2();
  config.model.hidden_dropout = config.model.attention_dropout = 0.1;
  config.optimizer.type = rule;
  if (rule == "lamb") config.clip_grad = 0;
  config.scheduler.lr_decay_style = "cosine";
  config.scheduler.lr_warmup_iters = 7;
  return config;
}

std::vector<double> tail(const std::vector<double>& values, size_t count) {
  return {values.end() - static_cast<std::ptrdiff_t>(count), values.end()};
}

/// Flips one byte in the middle of the largest shard.
void damage(const fs::path& checkpoint) {
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(checkpoint))
    if (entry.path().extension() == ".safetensors" &&
        (largest.empty() || entry.file_size() > fs::file_size(largest)))
      largest = entry.path();
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(fs::file_size(largest) * 3 / 4);
  file.seekg(at);
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(at);
  file.put(byte);
  expect(file.good(), "the shard was damaged");
}

}  // namespace

TEST_CASE("ten steps are five, a restart and five, bit for bit", "[numerics]") {
  const auto base = noisy(GENERATE("adamw", "lion", "lamb"));
  const Layout layout = GENERATE(Layout{.ranks = 1}, Layout{.ranks = 2},
                                 Layout{.ranks = 2, .zero = 1}, Layout{.ranks = 2, .zero = 2},
                                 Layout{.ranks = 2, .tp = 2}, Layout{.ranks = 2, .pp = 2});
  INFO(base.optimizer.type << ", " << layout.name());
  const auto config = layout.applied(base);
  const auto rows = text_rows(config);
  const Scratch folder;
  const Curve straight = trained(config, layout.ranks, 10, rows);
  const Curve first = trained(config, layout.ranks, 5, rows, {}, saving(folder));
  const Curve second = trained(config, layout.ranks, 5, rows, resuming(folder, 5));
  CHECK(std::equal(first.losses.begin(), first.losses.end(), straight.losses.begin()));
  CHECK(second.losses == tail(straight.losses, 5));
  CHECK(second.norms == tail(straight.norms, 5));
  CHECK(second.weights.size() > 30);  // with moments
  CHECK(second.weights == straight.weights);
}

TEST_CASE("a run continues on other ranks with the losses it would have had", "[numerics]") {
  const auto base = noisy("adamw");
  const auto rows = text_rows(base);
  const Curve straight = trained(base, 1, 10, rows);
  const Layout from = GENERATE(Layout{.ranks = 2, .zero = 1}, Layout{.ranks = 4, .tp = 2});
  const Scratch folder;
  trained(from.applied(base), from.ranks, 5, rows, {}, saving(folder));
  for (const Layout& to : {Layout{.ranks = 1}, Layout{.ranks = 2}, Layout{.ranks = 4, .zero = 2},
                           Layout{.ranks = 2, .tp = 2}, Layout{.ranks = 4, .pp = 2, .zero = 1}}) {
    INFO("from " << from.name() << " to " << to.name());
    const Curve rest = trained(to.applied(base), to.ranks, 5, rows, resuming(folder, 5));
    CHECK(worst_relative(rest.losses, tail(straight.losses, 5)) < 1e-5);
  }
}

TEST_CASE("resuming with another configuration is refused by the name of the key", "[numerics]") {
  const auto config = noisy("adamw");
  const auto rows = text_rows(config);
  const Scratch folder;
  trained(config, 2, 2, rows, {}, saving(folder));
  auto seed = config, rate = config, width = config, rule = config;
  seed.seed = 77;
  rate.clip_grad = 0.5;
  width.model.norm_epsilon = 1e-6;
  rule.optimizer.type = "lion";
  struct Refused {
    trainer::RunConfig config;
    std::string key;
  };
  for (const auto& [changed, key] :
       {Refused{seed, "seed"}, Refused{rate, "clip_grad"}, Refused{width, "model.norm_epsilon"},
        Refused{rule, "optimizer.type"}}) {
    INFO(key);
    try {
      trained(changed, 2, 1, rows, resuming(folder, 2));
      FAIL_CHECK("was not refused");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::resume_mismatch);
      CHECK_THAT(error.what(), Catch::Contains(key) && Catch::Contains("found"));
    }
  }
  auto longer = config;
  longer.train.train_iters = 200;
  longer.optimizer.lr = 1e-3;
  CHECK_NOTHROW(trained(longer, 2, 1, rows, resuming(folder, 2)));
}

TEST_CASE("a damaged checkpoint gives way to the one before", "[numerics]") {
  const auto config = noisy("adamw");
  const auto rows = text_rows(config);
  const Scratch folder;
  const Curve straight = trained(config, 2, 7, rows);
  trained(config, 2, 3, rows, {}, saving(folder));
  trained(config, 2, 2, rows, resuming(folder, 3), saving(folder));
  damage(folder.path() / "step-00000005");
  const Curve rest = trained(config, 2, 4, rows, resuming(folder, 3));
  CHECK(rest.losses == tail(straight.losses, 4));
  CHECK(rest.weights == straight.weights);
  damage(folder.path() / "step-00000003");
  try {
    trained(config, 2, 1, rows, resuming(folder, 3));
    FAIL("damaged checkpoints were used");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::no_checkpoint);
  }
}
