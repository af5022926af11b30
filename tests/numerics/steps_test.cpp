// Steps that are skipped, validation, learning rates.
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "echelon/comm/world.h"
#include "echelon/data/prepare.h"
#include "echelon/ops/threads.h"
#include "tests/numerics/layouts.h"
#include "tests/support/scratch.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::test;

namespace {

/// Makes one weight of this rank infinite for as long as it lives.
class Broken {
 public:
  explicit Broken(trainer::Trainer& trainer)
      : at_(trainer.parts().parameters()[3]->value.data<float>()), kept_(*at_) {
    *at_ = std::numeric_limits<float>::infinity();
  }
  ~Broken() { *at_ = kept_; }
  Broken(const Broken&) = delete;
  Broken& operator=(const Broken&) = delete;

 private:
  float* at_;
  float kept_;
};

Whole state_of(trainer::Trainer& trainer) {
  Whole state;
  collect(trainer, state);
  return state;
}

}  // namespace

TEST_CASE("a gradient that is not finite on one rank is skipped by all, and nothing moves",
          "[numerics]") {
  const int bad_rank = GENERATE(0, 1);
  const auto config = tiny_gpt2();
  const auto rows = text_rows(config);
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    trainer::Trainer trainer(config, world, rows);
    trainer.step();
    const Whole before = state_of(trainer);
    {
      const auto broken = world.rank() == bad_rank ? std::make_unique<Broken>(trainer) : nullptr;
      const auto report = trainer.step();
      expect(report.skipped && report.step == 1 && trainer.step_number() == 1, "skipped");
      expect(trainer.consumed_samples() == 16, "the data moves on");
    }
    expect(state_of(trainer) == before, "weights and moments are as they were");
    const auto next = trainer.step();
    expect(!next.skipped && next.step == 2 && std::isfinite(next.loss), "the run goes on");
  });
}

TEST_CASE("too many skipped updates in a row end the run with exit code 7", "[numerics]") {
  auto config = tiny_gpt2();
  config.train.max_consecutive_skips = 3;
  const auto rows = text_rows(config);
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    trainer::Trainer trainer(config, world, rows);
    const Broken broken(trainer);
    expect(trainer.step().skipped && trainer.step().skipped, "two are skipped");
    try {
      trainer.step();
      expect(false, "the third was skipped too");
    } catch (const Error& error) {
      expect(error.code() == ExitCode::numerics, error.what());
    }
  });
}

TEST_CASE("a skipped step keeps the learning rate's place", "[numerics]") {
  auto config = tiny_gpt2();
  config.scheduler.lr_decay_style = "linear";
  config.scheduler.lr_warmup_iters = 4;
  const auto self = comm::make_self();
  ops::use_threads(1);
  trainer::Trainer trainer(config, *self, text_rows(config));
  CHECK(trainer.step().lr == Approx(config.optimizer.lr / 4));
  {
    const Broken broken(trainer);
    CHECK(trainer.step().skipped);
  }
  CHECK(trainer.step().lr == Approx(config.optimizer.lr / 2));
}

TEST_CASE("validation is the same on any ranks and leaves the run alone", "[numerics]") {
  const Scratch folder;
  data::PrepareOptions options;
  options.inputs = {ECHELON_SOURCE "/tests/data/genesis.txt"};
  options.output = (folder.path() / "text").string();
  data::prepare(options);
  auto base = GENERATE(tiny_gpt2(), tiny_llama());
  base.model.vocab_size = 257;
  base.model.hidden_dropout = 0.2;
  base.data.train_data_path = base.data.valid_data_path = {options.output};
  const auto run = [&](const Layout& layout, bool validates) {
    double loss = 0;
    int64_t tokens = 0;
    const Curve curve = trained(layout.applied(base), layout.ranks, 3, {}, {},
                                [&](trainer::Trainer& trainer, comm::Communicator& world) {
                                  if (!validates) return;
                                  const auto first = trainer.validate(3);
                                  const auto second = trainer.validate(3);
                                  expect(first.loss == second.loss, "without dropout");
                                  if (world.rank() != 0) return;
                                  loss = first.loss, tokens = first.tokens;
                                });
    return std::tuple(loss, tokens, curve.weights);
  };
  const auto [loss, tokens, weights] = run({.ranks = 1}, true);
  CHECK(tokens == 3 * 8 * 16);
  CHECK((weights == std::get<2>(run({.ranks = 1}, false))));
  for (const Layout& layout :
       {Layout{.ranks = 2}, Layout{.ranks = 4, .zero = 2}, Layout{.ranks = 2, .tp = 2},
        Layout{.ranks = 2, .pp = 2}, Layout{.ranks = 4, .tp = 2, .pp = 2}}) {
    INFO(layout.name());
    const auto [other, count, ignored] = run(layout, true);
    CHECK(other == Approx(loss).epsilon(1e-5));
    CHECK(count == tokens);
  }
}
