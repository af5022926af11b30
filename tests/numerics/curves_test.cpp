// The same run on any number and arrangement of ranks.
#include <catch2/catch.hpp>

#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"
#include "tests/numerics/layouts.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::test;

namespace {

trainer::RunConfig with_dropout(trainer::RunConfig c, double rate) {
  c.model.hidden_dropout = c.model.attention_dropout = rate;
  return c;
}

}  // namespace

TEST_CASE("1, 2 and 4 ranks give one loss curve over 50 steps", "[numerics]") {
  const auto config = with_dropout(GENERATE(tiny_gpt2(), tiny_llama()), GENERATE(0.0, 0.1));
  const auto rows = text_rows(config);
  const Curve one = trained(config, 1, 50, rows);
  CHECK(one.losses.back() < 0.8 * one.losses.front());
  for (const int ranks : {2, 4}) {
    INFO(ranks << " ranks, dropout " << config.model.hidden_dropout);
    CHECK(worst_relative(trained(config, ranks, 50, rows).losses, one.losses) < 1e-5);
  }
}

TEST_CASE("every layout follows one rank, dropout included", "[numerics]") {
  const auto base = with_dropout(GENERATE(tiny_gpt2(), tiny_llama()), 0.1);
  static std::map<bool, Curve> ones;
  const bool llama = base.model.gated();
  const auto rows = text_rows(base);
  if (!ones.contains(llama)) ones[llama] = trained(base, 1, 8, rows);
  auto layouts = layouts_of_two_layers();
  layouts.push_back({.ranks = 2, .tp = 2, .sequence_parallel = true});
  layouts.push_back({.ranks = 4, .tp = 2, .zero = 2, .micro = 1, .sequence_parallel = true});
  const Layout layout = GENERATE_COPY(from_range(layouts));
  INFO((llama ? "llama, " : "gpt2, ") << layout.name());
  const Curve other = trained(layout.applied(base), layout.ranks, 8, rows);
  CHECK(worst_relative(other.losses, ones[llama].losses) < 1e-5);
  CHECK(worst_relative(other.norms, ones[llama].norms) < 1e-4);
}

TEST_CASE("interleaved stages follow one rank", "[numerics]") {
  auto config = with_dropout(tiny_gpt2(), 0.1);
  config.model.num_layers = 4;
  const auto rows = text_rows(config);
  const Curve one = trained(config, 1, 5, rows);
  const Layout layout{.ranks = 2, .pp = 2, .micro = 2, .schedule = "interleaved", .chunks = 2};
  CHECK(worst_relative(trained(layout.applied(config), 2, 5, rows).losses, one.losses) < 1e-5);
}

TEST_CASE("micro-batches add up to one big batch", "[numerics]") {
  const auto config = with_dropout(tiny_gpt2(), 0.1);
  const auto rows = text_rows(config);
  auto big = config, small = config;
  big.train.micro_batch_size = 8;
  small.train.micro_batch_size = 1;
  const Curve whole = trained(big, 1, 10, rows), pieces = trained(small, 1, 10, rows);
  CHECK(worst_relative(pieces.losses, whole.losses) < 1e-5);
  CHECK(worst_relative(pieces.norms, whole.norms) < 1e-4);
}

TEST_CASE("a batch that grows is the same on any ranks, and takes the samples it says",
          "[numerics]") {
  auto config = tiny_gpt2();
  config.train.micro_batch_size = 1;
  config.train.rampup_batch_size = {4, 4, 8};
  const auto rows = text_rows(config);
  std::vector<int64_t> sequences;
  comm::run_thread_ranks(1, [&](comm::Communicator& world) {
    ops::use_threads(1);
    trainer::Trainer trainer(config, world, rows);
    for (int k = 0; k < 4; ++k) sequences.push_back(trainer.step().sequences);
    expect(trainer.consumed_samples() == 4 + 4 + 8 + 8, "samples of the ramp");
  });
  CHECK(sequences == std::vector<int64_t>{4, 4, 8, 8});
  const Curve one = trained(config, 1, 6, rows);
  for (const int ranks : {2, 4})
    CHECK(worst_relative(trained(config, ranks, 6, rows).losses, one.losses) < 1e-5);
}

TEST_CASE("the loss is the mean over valid targets of the whole batch", "[numerics]") {
  const auto config = tiny_gpt2();
  // Rows of the second half of a batch lose most of their targets, one row all of them.
  const auto ignored = [](int64_t row, int64_t position) {
    return (row % 8 >= 4 && position < 13) || row % 8 == 7;
  };
  const auto rows = text_rows(config, ignored);
  const Curve one = trained(config, 1, 10, rows);
  for (const Layout& layout :
       {Layout{.ranks = 2}, Layout{.ranks = 4}, Layout{.ranks = 4, .zero = 1, .micro = 1},
        Layout{.ranks = 2, .tp = 2}, Layout{.ranks = 2, .pp = 2}}) {
    INFO(layout.name());
    const Curve other = trained(layout.applied(config), layout.ranks, 10, rows);
    CHECK(worst_relative(other.losses, one.losses) < 1e-5);
    CHECK(worst_relative(other.norms, one.norms) < 1e-4);
  }
  // Row by row with the same weights: the sums, divided by all valid targets.
  auto single = config;
  single.train.global_batch_size = single.train.micro_batch_size = 1;
  double loss = 0, targets = 0;
  for (int64_t row = 0; row < 7; ++row) {
    const double valid = row >= 4 ? 3 : 16;
    const auto only = [&](int64_t, int64_t count) { return rows(row, count); };
    loss += valid * trained(single, 1, 1, only).losses[0], targets += valid;
  }
  CHECK(one.losses[0] == Approx(loss / targets).epsilon(1e-6));
  try {
    trained(single, 1, 1, [&](int64_t, int64_t count) { return rows(7, count); });
    FAIL("a batch without targets was trained on");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::data);
  }
}

TEST_CASE("every update rule learns the text, alike on 1 and 2 ranks", "[numerics]") {
  auto config = tiny_gpt2();
  struct Rule {
    const char* type;
    double lr;
  };
  const Rule rule = GENERATE(Rule{"adamw", 3e-3}, Rule{"adam", 3e-3}, Rule{"lion", 1e-3},
                             Rule{"lamb", 2e-2}, Rule{"sgd", 0.3}, Rule{"nag", 0.3});
  INFO(rule.type);
  config.optimizer.type = rule.type;
  config.optimizer.lr = rule.lr;
  if (config.optimizer.type == "lamb") config.clip_grad = 0;
  const auto rows = text_rows(config);
  const Curve one = trained(config, 1, 40, rows);
  CHECK(one.losses.back() < 0.85 * one.losses.front());
  auto sharded = config;
  sharded.zero_optimization.stage = 1;
  const double limit = config.optimizer.type == "lion" ? 1e-3 : 1e-5;  // sign() jumps at zero
  CHECK(worst_relative(trained(sharded, 2, 40, rows).losses, one.losses) < limit);
}

TEST_CASE("rows without targets weigh nothing, on whichever ranks they are", "[numerics]") {
  auto full = tiny_gpt2(), half = tiny_gpt2();
  half.train.global_batch_size = 4;
  half.train.micro_batch_size = 1;
  // Rows 0 to 3 of a batch of 8 have targets; they are the whole batch of 4.
  const auto rows = text_rows(full, [](int64_t row, int64_t) { return row % 8 >= 4; });
  const auto four = [&](int64_t first, int64_t count) {
    return rows(first / 4 * 8 + first % 4, count);
  };
  const Curve wanted = trained(half, 1, 10, four);
  for (const Layout& layout : {Layout{.ranks = 1}, Layout{.ranks = 2}, Layout{.ranks = 4},
                               Layout{.ranks = 4, .zero = 2, .micro = 1}}) {
    INFO(layout.name());
    const Curve other = trained(layout.applied(full), layout.ranks, 10, rows);
    CHECK(worst_relative(other.losses, wanted.losses) < 1e-5);
    CHECK(worst_relative(other.norms, wanted.norms) < 1e-4);
  }
}

TEST_CASE("dropout differs from step to step and from row to row", "[numerics]") {
  auto config = tiny_gpt2();
  config.optimizer.lr = 0;
  config.optimizer.weight_decay = 0;
  const auto rows = text_rows(config);
  const auto same_rows = [&](int64_t first, int64_t count) { return rows(first % 8, count); };
  const Curve plain = trained(config, 1, 3, same_rows);
  CHECK(plain.losses[0] == plain.losses[2]);
  config = with_dropout(config, 0.3);
  const Curve noisy = trained(config, 1, 3, same_rows);
  CHECK(noisy.losses[0] != noisy.losses[1]);
  CHECK(noisy.losses[1] != noisy.losses[2]);
  // Eight times the same row: with one mask for all of them, two rows would have the same loss.
  const auto one_row = [&](int64_t, int64_t count) {
    auto batch = rows(0, count);
    for (int64_t i = 1; i < count; ++i) {
      Tensor tokens = batch.tokens.slice(i, i + 1), targets = batch.targets.slice(i, i + 1);
      copy(batch.tokens.slice(0, 1), tokens);
      copy(batch.targets.slice(0, 1), targets);
    }
    return batch;
  };
  auto single = config;
  single.train.micro_batch_size = single.train.global_batch_size = 1;
  CHECK(trained(config, 1, 1, one_row).losses[0] !=
        Approx(trained(single, 1, 1, one_row).losses[0]).epsilon(1e-5));
}
