#include <catch2/catch.hpp>

#include "echelon/base/philox.h"
#include "echelon/generate/sampling.h"
#include "tests/support/golden.h"

using namespace echelon;
using namespace echelon::generate;

TEST_CASE("filters and draws match the reference", "[generate]") {
  const auto golden = test::golden_case("generation", "filters");
  const auto logits = test::golden_tensor(golden.at("inputs").at("logits")).data;
  const std::vector<float> z(logits.begin(), logits.end());
  for (const auto& entry : golden.at("expected").at("cases")) {
    const auto& options = entry.at("options");
    INFO(options.dump());
    GenerateConfig config;
    config.temperature = options.value("temperature", 1.0);
    config.top_k = options.value("top_k", 0);
    config.top_p = options.value("top_p", 1.0);
    config.repetition_penalty = options.value("repetition_penalty", 1.0);
    const auto history = options.value("history", std::vector<int32_t>{});
    const auto p = filtered(z, config, history);
    const auto wanted = test::golden_tensor(entry.at("p")).data;
    for (size_t i = 0; i < p.size(); ++i) CHECK(p[i] == Approx(wanted[i]).margin(1e-9));
    const auto draws = entry.at("draw_0.0_0.5_0.999").get<std::vector<int32_t>>();
    CHECK(std::vector<int32_t>{draw(p, 0.0), draw(p, 0.5), draw(p, 0.999)} == draws);
  }
}

TEST_CASE("sampled ids match the reference stream", "[generate]") {
  const auto golden = test::golden_case("generation", "sampled_ids");
  const auto logits = test::golden_tensor(golden.at("inputs").at("logits")).data;
  const std::vector<float> z(logits.begin(), logits.end());
  const auto ids = golden.at("expected").at("ids").get<std::vector<int32_t>>();
  const auto uniforms = test::golden_tensor(golden.at("expected").at("uniform")).data;
  GenerateConfig config;
  config.seed = golden.at("config").at("seed");
  config.top_k = 5;
  for (size_t i = 0; i < ids.size(); ++i) {
    CHECK(draw(filtered(z, config, {}), uniforms[i]) == ids[i]);
    CHECK(sample(z, config, {}, 0, static_cast<int64_t>(i)) == ids[i]);
  }
}
