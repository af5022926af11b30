// Every layout computes what one rank computes.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <array>
#include <map>

#include "echelon/data/loader.h"
#include "tests/parallel/grid_model.h"

using namespace echelon;

namespace {

constexpr int64_t kUpdates = 3;

struct Worst {
  size_t layouts = 0;
  std::map<std::string, std::array<double, 4>> of;  // loss, gradient, later, update by optimizer
  void take(const trainer::Verdict& v, const std::string& optimizer) {
    ++layouts;
    auto& w = of[optimizer];
    const std::array<double, 4> now = {v.loss, v.worst_gradient(), v.worst_later(),
                                       v.worst_update()};
    for (size_t i = 0; i < now.size(); ++i) w[i] = std::max(w[i], now[i]);
  }
};

void expect_equal(const trainer::RunConfig& config, int ranks, Worst& worst) {
  const auto name = fmt::format("{} {} dropout {}", trainer::layout_text(config, ranks),
                                config.optimizer.type, config.model.hidden_dropout);
  INFO(name);
  const auto verdict = trainer::verify(config, ranks, kUpdates);
  INFO(trainer::to_text(verdict, name, kUpdates));
  CHECK(verdict.equal);
  worst.take(verdict, config.optimizer.type);
}

/// Every `step`-th layout of `ranks` ranks, starting with another one for each style.
void walk(int ranks, size_t step, Worst& worst) {
  for (int style = 0; style < test::kStyles; ++style) {
    const auto layouts = trainer::layouts_of(test::model_of_style(style), ranks);
    REQUIRE(layouts.size() > 4);
    for (size_t i = static_cast<size_t>(style) % step; i < layouts.size(); i += step) {
      auto config = layouts[i];
      test::vary(config, i / step + static_cast<size_t>(style));
      expect_equal(config, ranks, worst);
    }
  }
}

}  // namespace

TEST_CASE("layouts of 2, 3, 4 and 6 ranks compute what one rank computes", "[parallel]") {
  Worst worst;
  walk(2, 3, worst);
  walk(3, 3, worst);
  walk(4, 13, worst);
  walk(6, 31, worst);
  CHECK(worst.layouts >= 40);
}

TEST_CASE("all layouts of 2 to 8 ranks compute what one rank computes", "[parallel][slow]") {
  Worst worst;
  for (const int ranks : {2, 3, 4, 6, 8}) walk(ranks, 1, worst);
  fmt::print("{} layouts; worst loss, gradient, later gradient, update:\n", worst.layouts);
  for (const auto& [optimizer, w] : worst.of)
    fmt::print("  {:<8}{:>10.1e}{:>10.1e}{:>10.1e}{:>10.1e}\n", optimizer, w[0], w[1], w[2], w[3]);
  CHECK(worst.layouts >= 200);
}

TEST_CASE("schedules give the same bits", "[parallel]") {
  for (const int style : {0, 1})
    for (const int64_t tp : {1, 2})
      for (const int64_t stage : {0, 1}) {
        auto base = test::model_of_style(style);
        base.model.hidden_dropout = 0.1;
        base.parallel = {tp, 1, 2, tp > 1};
        base.zero_optimization.stage = stage;
        const int ranks = static_cast<int>(4 * tp);
        const auto with = [&](const std::string& schedule, int64_t chunks) {
          auto c = base;
          c.pipeline = {schedule, chunks, {}};
          return trainer::record(trainer::shrunk(c, ranks), ranks, kUpdates);
        };
        INFO("style " << style << " tp " << tp << " zero " << stage);
        const auto truth = with("gpipe", 1);
        CHECK(truth.faults.empty());
        CHECK(trainer::first_bit_difference(with("1f1b", 1), truth) == "");
        CHECK(trainer::first_bit_difference(with("zero_bubble", 1), truth) == "");
        CHECK(trainer::first_bit_difference(with("interleaved", 2), with("gpipe", 2)) == "");
      }
}

TEST_CASE("overlap, bucket sizes and ZeRO 1 give the bits of plain data parallelism",
          "[parallel]") {
  auto config = trainer::shrunk(test::model_of_style(0), 4);
  const auto truth = trainer::record(config, 4, kUpdates);
  CHECK(truth.faults.empty());
  config.zero_optimization.overlap_comm = false;
  CHECK(trainer::first_bit_difference(trainer::record(config, 4, kUpdates), truth) == "");
  config.zero_optimization.reduce_bucket_size = 1000000;
  CHECK(trainer::first_bit_difference(trainer::record(config, 4, kUpdates), truth) == "");
  config.zero_optimization.stage = 1;
  CHECK(trainer::first_bit_difference(trainer::record(config, 4, kUpdates), truth) == "");
}

TEST_CASE("uneven pipeline stages compute what one rank computes", "[parallel]") {
  Worst worst;
  for (const auto& layers : std::vector<std::vector<int64_t>>{{1, 2}, {2, 0}, {0, 1}}) {
    auto config = test::model_of_style(0);
    config.parallel.pipeline_model_parallel_size = 2;
    config.pipeline.pipeline_layout = layers;
    expect_equal(trainer::shrunk(config, 2), 2, worst);
  }
  CHECK(worst.layouts == 3);
}

TEST_CASE("shrinking keeps style, ratios and divisibility", "[parallel]") {
  for (int style = 0; style < test::kStyles; ++style)
    for (const int64_t tp : {1, 2, 3, 8}) {
      const auto c = test::model_of_style(style);
      auto wide = c;
      wide.parallel = {tp, 1, 2, tp > 1};
      const int ranks = static_cast<int>(4 * tp);
      const auto s = trainer::shrunk(wide, ranks);
      CHECK(nn::validate(s.model, tp, tp > 1).empty());
      CHECK(nn::parameter_count(s.model) < 600000);
      CHECK(s.model.num_attention_heads / s.model.kv_heads() ==
            c.model.num_attention_heads / c.model.kv_heads());
      CHECK((s.model.num_attention_heads * s.model.head_size() == s.model.hidden_size) ==
            (c.model.num_attention_heads * c.model.head_size() == c.model.hidden_size));
      CHECK(s.train.global_batch_size % (s.train.micro_batch_size * 2) == 0);
    }
}
