#include <catch2/catch.hpp>

#include "echelon/base/error.h"
#include "echelon/optim/config.h"

using namespace echelon;

namespace {
optim::OptimizerConfig rule(const std::string& type) {
  optim::OptimizerConfig c;
  c.type = type;
  return c;
}
using Betas = std::vector<double>;
}  // namespace

TEST_CASE("Each rule fills in the defaults of its reference", "[optim]") {
  CHECK(optim::resolved(rule("adamw")).betas == Betas{0.9, 0.999});
  CHECK(optim::resolved(rule("adamw")).eps == 1e-8);
  CHECK(optim::resolved(rule("adamw")).weight_decay == 0.01);
  CHECK(optim::resolved(rule("lion")).betas == Betas{0.9, 0.99});
  CHECK(optim::resolved(rule("lion")).weight_decay == 0);
  CHECK(optim::resolved(rule("lamb")).eps == 1e-6);
  CHECK(optim::resolved(rule("lamb")).max_grad_norm == 1);
  CHECK(optim::resolved(rule("sgd")).weight_decay == 0);
  optim::OptimizerConfig own = rule("lamb");
  own.lamb.variant = optim::LambVariant::deepspeed;
  CHECK(optim::resolved(own).lamb.trust_clip == Betas{0.01, 10});
  CHECK(optim::resolved(own).max_grad_norm == 0);
  own.weight_decay = 0;  // given values stay
  own.betas = {0.5, 0.6};
  CHECK(optim::resolved(own).weight_decay == 0);
  CHECK(optim::resolved(own).betas == Betas{0.5, 0.6});
}

TEST_CASE("Wrong optimizer settings are refused by key, with advice", "[optim]") {
  const auto message = [](const optim::OptimizerConfig& c) {
    try {
      optim::make_optimizer(c);
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::config);
      return e.id() + " " + e.what();
    }
    return std::string();
  };
  optim::OptimizerConfig c = rule("adamv");
  CHECK_THAT(message(c), Catch::Contains("optimizer.type: found adamv") && Catch::Contains("lion"));
  c = rule("nag");
  c.momentum = 0;
  CHECK_THAT(message(c), Catch::StartsWith("V05 optimizer.momentum"));
  c.momentum = 1;
  CHECK_THAT(message(c), Catch::StartsWith("V33 optimizer.momentum"));
  c = rule("adamw");
  c.betas = {0.9};
  CHECK_THAT(message(c), Catch::StartsWith("V33 optimizer.betas: found [0.9]"));
  c.betas = {0.9, 1.0};
  CHECK_THAT(message(c), Catch::StartsWith("V33 optimizer.betas"));
  c = rule("lamb");
  c.lamb.trust_clip = {2, 1};
  CHECK_THAT(message(c), Catch::StartsWith("V33 optimizer.lamb.trust_clip"));
}

TEST_CASE("clip_grad together with LAMB's own clipping is refused", "[optim]") {
  CHECK_THROWS_WITH(optim::check_clipping(rule("lamb"), 1.0), Catch::Contains("clip_grad: 0"));
  CHECK_NOTHROW(optim::check_clipping(rule("lamb"), 0));
  CHECK_NOTHROW(optim::check_clipping(rule("adamw"), 1.0));
  optim::OptimizerConfig own = rule("lamb");
  own.max_grad_norm = 0;
  CHECK_NOTHROW(optim::check_clipping(own, 1.0));
}

TEST_CASE("Decay is for matrices that no pattern names", "[optim]") {
  const std::vector<std::string> patterns = {"pos", "h.*.attn.*", "lm_?ead.weight"};
  CHECK(optim::decays(true, "h.0.mlp.fc.weight", patterns));
  CHECK_FALSE(optim::decays(false, "h.0.mlp.fc.bias", patterns));
  CHECK_FALSE(optim::decays(true, "pos.weight", patterns));
  CHECK(optim::decays(true, "position.weight", patterns));
  CHECK_FALSE(optim::decays(true, "h.3.attn.qkv.weight", patterns));
  CHECK_FALSE(optim::decays(true, "lm_head.weight", patterns));
  CHECK(optim::decays(true, "tok.weight", {}));
}
