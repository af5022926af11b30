// Stages, overlap and ready order change where things are, never what comes out.
#include <catch2/catch.hpp>

#include <cmath>

#include "tests/support/golden.h"
#include "tests/unit/sharding/training.h"

using namespace echelon;
using test::Trained;
using test::Training;

namespace {

/// AdamW on the whole model in float64.
std::vector<double> truth(const Training& with, double clip) {
  test::ToyModel model = test::toy_model();
  std::vector<double> p, m, v;
  std::vector<double> decay;
  size_t index = 0;
  for (const nn::Parameter& q : model.parameters) {
    for (const float w : test::toy_weights(index, q.shape.elements())) p.push_back(w);
    decay.resize(p.size(), q.role == nn::Role::matrix ? 0.1 : 0.0);
    ++index;
  }
  m.assign(p.size(), 0);
  v.assign(p.size(), 0);
  for (int t = 1; t <= with.steps; ++t) {
    std::vector<double> g(p.size(), 0);
    size_t at = 0;
    index = 0;
    for (const nn::Parameter& q : model.parameters) {
      for (int unit = 0; unit < with.units; ++unit) {
        const auto part = test::toy_gradient(index, q.shape.elements(), t, unit);
        for (size_t i = 0; i < part.size(); ++i) g[at + i] += static_cast<double>(part[i]);
      }
      at += static_cast<size_t>(q.shape.elements());
      ++index;
    }
    double squares = 0;
    for (const double x : g) squares += x * x;
    const double scale = clip > 0 ? std::min(1.0, clip / (std::sqrt(squares) + 1e-6)) : 1.0;
    for (size_t i = 0; i < p.size(); ++i) {
      const double x = g[i] * scale;
      m[i] = 0.9 * m[i] + 0.1 * x;
      v[i] = 0.999 * v[i] + 0.001 * x * x;
      p[i] -= 1e-2 * decay[i] * p[i];
      p[i] -= 1e-2 / (1 - std::pow(0.9, t)) * m[i] /
              (std::sqrt(v[i]) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8);
    }
  }
  return p;
}

void check_same_on_all_ranks(const Trained& run) {
  for (const auto& weights : run.weights) CHECK(weights == run.weights[0]);
}

}  // namespace

TEST_CASE("Every stage on 1, 2 and 4 ranks trains like one rank in float64", "[sharding]") {
  for (const double clip : {0.0, 1.0})
    for (const int ranks : {1, 2, 4})
      for (const int64_t stage : {0, 1, 2, 3}) {
        const Training with{.ranks = ranks, .stage = stage, .clip = clip};
        const Trained run = test::train(with);
        INFO("stage " << stage << ", " << ranks << " ranks, clip " << clip);
        CHECK(test::worst_error(run.weights[0], truth(with, clip), 2e-5, 2e-6) <= 1.0);
        check_same_on_all_ranks(run);
      }
}

TEST_CASE("Overlapped reductions give the same bits as reductions in finish", "[sharding]") {
  for (const int64_t stage : {0, 1, 2, 3}) {
    const Trained on = test::train({.ranks = 4, .stage = stage, .clip = 1.0});
    const Trained off = test::train({.ranks = 4, .stage = stage, .overlap = false, .clip = 1.0});
    CHECK(on.weights == off.weights);
    CHECK(on.norms == off.norms);
  }
}

TEST_CASE("Stages give the bits of stage 0, 2 and 3 too with one micro-batch a rank",
          "[sharding]") {
  for (const auto name : optim::optimizer_names()) {
    if (name == "lamb") continue;  // its ratios depend on the order of sums
    const std::string rule(name);
    const Trained zero = test::train({.ranks = 4, .stage = 0, .optimizer = rule});
    CHECK(zero.weights == test::train({.ranks = 4, .stage = 1, .optimizer = rule}).weights);
    CHECK(zero.weights == test::train({.ranks = 4, .stage = 2, .optimizer = rule}).weights);
    CHECK(zero.weights == test::train({.ranks = 4, .stage = 3, .optimizer = rule}).weights);
  }
}

TEST_CASE("LAMB has whole-tensor ratios in every stage", "[sharding]") {
  const Trained one = test::train({.optimizer = "lamb"});
  const std::vector<double> want(one.weights[0].begin(), one.weights[0].end());
  for (const int ranks : {2, 4})
    for (const int64_t stage : {0, 1, 2, 3}) {
      const Trained run = test::train({.ranks = ranks, .stage = stage, .optimizer = "lamb"});
      INFO("stage " << stage << ", " << ranks << " ranks");
      CHECK(test::worst_error(run.weights[0], want, 2e-5, 2e-6) <= 1.0);
      check_same_on_all_ranks(run);
    }
}

TEST_CASE("Gradients may become ready in another order on every rank", "[sharding]") {
  for (const int64_t stage : {0, 1}) {  // reductions of every micro-batch need one order
    const Trained straight = test::train({.ranks = 4, .stage = stage, .units = 8});
    for (const uint64_t shuffle : {1, 2, 3}) {
      const Training with{.ranks = 4, .stage = stage, .units = 8, .shuffle = shuffle};
      CHECK(test::train(with).weights == straight.weights);
    }
  }
}

TEST_CASE("A parameter that is never reported ready is reduced all the same", "[sharding]") {
  for (const int64_t stage : {0, 1}) {
    const Trained run = test::train({.ranks = 2, .stage = stage, .never_ready = 2});
    check_same_on_all_ranks(run);
    CHECK(run.all_reduces + run.reduce_scatters == static_cast<int64_t>(run.buckets) * 3);
    // zero gradient: nothing but decay, 0.1 * 1e-2 in each of three updates
    const size_t at = 37 * 7 + 7;
    const float start = test::toy_weights(2, 29 * 7)[0];
    CHECK(run.weights[0][at] == Approx(start * std::pow(1 - 1e-3, 3)));
  }
}

TEST_CASE("16-bit weights follow f32 masters, rounded once, in every stage", "[sharding]") {
  for (const DType weights : {DType::bf16, DType::f16}) {
    const Trained zero = test::train({.ranks = 2, .stage = 0, .weights = weights, .steps = 8});
    check_same_on_all_ranks(zero);
    CHECK(zero.weights ==
          test::train({.ranks = 2, .stage = 1, .weights = weights, .steps = 8}).weights);
    const Trained three = test::train({.ranks = 2, .stage = 3, .weights = weights, .steps = 8});
    check_same_on_all_ranks(three);
    const Trained wide = test::train({.ranks = 2, .stage = 0, .steps = 8});
    const double spacing = weights == DType::bf16 ? 0x1p-8 : 0x1p-11;
    const std::vector<double> want(wide.weights[0].begin(), wide.weights[0].end());
    // start and result are rounded: two half-spacings
    CHECK(test::worst_error(zero.weights[0], want, 2 * spacing, 1e-3) <= 1.0);
    CHECK(test::worst_error(three.weights[0], want, 2 * spacing, 1e-3) <= 1.0);
    CHECK(zero.weights[0] != wide.weights[0]);
  }
}
