#include "echelon/ops/optimizer.h"

#include "echelon/ops/elementwise.h"
#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

struct Update : OpTest {
  Tensor p = random({1000}, 1), g = random({1000}, 2), m = random({1000}, 3, 0.1);
  Tensor v = random({1000}, 4, 0.05, 0.06);
  Doubles p0 = doubles(p), g0 = doubles(g), m0 = doubles(m), v0 = doubles(v);
};

}  // namespace

TEST_CASE("an Adam update agrees with float64", "[ops]") {
  const bool decoupled = GENERATE(true, false);
  const int64_t step = GENERATE(1, 7, 100000);
  Update t;
  const ops::AdamStep s{.lr = 0.01,
                        .beta1 = 0.9,
                        .beta2 = 0.95,
                        .eps = 1e-8,
                        .weight_decay = 0.1,
                        .grad_scale = 0.5,
                        .step = step,
                        .decoupled = decoupled};
  ops::adam_update(s, t.p, t.g, t.m, t.v, *t.stream);
  Doubles p, m, v;
  for (size_t i = 0; i < 1000; ++i) {
    const double g = 0.5 * t.g0[i] + (decoupled ? 0.0 : 0.1 * t.p0[i]);
    m.push_back(0.9 * t.m0[i] + 0.1 * g);
    v.push_back(0.95 * t.v0[i] + 0.05 * g * g);
    const double c1 = 1.0 - std::pow(0.9, step), c2 = 1.0 - std::pow(0.95, step);
    p.push_back(t.p0[i] * (decoupled ? 1.0 - 0.01 * 0.1 : 1.0) -
                0.01 / c1 * m[i] / (std::sqrt(v[i]) / std::sqrt(c2) + 1e-8));
  }
  CHECK(worst(values_of(t.p), p, tolerance::kOptimizer) <= 1.0);
  CHECK(worst(values_of(t.m), m, tolerance::kOptimizer) <= 1.0);
  CHECK(worst(values_of(t.v), v, tolerance::kOptimizer) <= 1.0);
}

TEST_CASE("a LAMB direction agrees with float64 in both forms", "[ops]") {
  const bool corrected = GENERATE(true, false);
  Update t;
  Tensor u = t.constant({1000}, NAN);
  const ops::AdamStep s{.lr = 0.01,
                        .beta1 = 0.9,
                        .beta2 = 0.99,
                        .eps = 1e-6,
                        .weight_decay = 0.01,
                        .grad_scale = 2.0,
                        .step = 3,
                        .decoupled = true};
  ops::lamb_direction(s, corrected, t.p, t.g, t.m, t.v, u, *t.stream);
  Doubles wanted;
  for (size_t i = 0; i < 1000; ++i) {
    const double g = 2.0 * t.g0[i], m = 0.9 * t.m0[i] + 0.1 * g, v = 0.99 * t.v0[i] + 0.01 * g * g;
    const double c1 = corrected ? 1.0 - std::pow(0.9, 3) : 1.0;
    const double c2 = corrected ? 1.0 - std::pow(0.99, 3) : 1.0;
    wanted.push_back(m / c1 / (std::sqrt(v / c2) + 1e-6) + 0.01 * t.p0[i]);
  }
  CHECK(worst(values_of(u), wanted, {1e-6, 3e-6}) <= 1.0);
  CHECK(doubles(t.p) == t.p0);
}

TEST_CASE("a Lion update agrees with float64 and leaves untouched rows alone", "[ops]") {
  Update t;
  t.g.data<float>()[5] = 0.0f;
  t.m.data<float>()[5] = 0.0f;
  ops::lion_update(
      {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0.0, .grad_scale = 1.0}, t.p, t.g,
      t.m, *t.stream);
  Doubles p, m;
  for (size_t i = 0; i < 1000; ++i) {
    const double mix = i == 5 ? 0.0 : 0.9 * t.m0[i] + 0.1 * t.g0[i];
    p.push_back(t.p0[i] - 1e-3 * (mix > 0.0 ? 1.0 : (mix < 0.0 ? -1.0 : 0.0)));
    m.push_back(i == 5 ? 0.0 : 0.99 * t.m0[i] + 0.01 * t.g0[i]);
  }
  CHECK(worst(values_of(t.p), p, tolerance::kOptimizer) <= 1.0);
  CHECK(worst(values_of(t.m), m, tolerance::kOptimizer) <= 1.0);
  CHECK(doubles(t.p)[5] == t.p0[5]);
}

TEST_CASE("an SGD update agrees with float64 in all its forms", "[ops]") {
  const bool nesterov = GENERATE(true, false), first = GENERATE(true, false);
  Update t;
  if (first) ops::fill_constant(t.m, NAN, *t.stream);  // what the buffer held must not matter
  ops::sgd_update({.lr = 0.1,
                   .momentum = 0.9,
                   .weight_decay = 0.01,
                   .grad_scale = 0.5,
                   .nesterov = nesterov,
                   .first = first},
                  t.p, t.g, &t.m, *t.stream);
  Doubles p, b;
  for (size_t i = 0; i < 1000; ++i) {
    const double g = 0.5 * t.g0[i] + 0.01 * t.p0[i];
    b.push_back(first ? g : 0.9 * t.m0[i] + g);
    p.push_back(t.p0[i] - 0.1 * (nesterov ? g + 0.9 * b[i] : b[i]));
  }
  CHECK(worst(values_of(t.p), p, tolerance::kOptimizer) <= 1.0);
  CHECK(worst(values_of(t.m), b, tolerance::kOptimizer) <= 1.0);
}

TEST_CASE("plain SGD needs no buffer", "[ops]") {
  Update t;
  ops::sgd_update({.lr = 0.1,
                   .momentum = 0.0,
                   .weight_decay = 0.0,
                   .grad_scale = 1.0,
                   .nesterov = false,
                   .first = true},
                  t.p, t.g, nullptr, *t.stream);
  Doubles p;
  for (size_t i = 0; i < 1000; ++i) p.push_back(t.p0[i] - 0.1 * t.g0[i]);
  CHECK(worst(values_of(t.p), p, tolerance::kOptimizer) <= 1.0);
}

TEST_CASE("optimizer updates do not depend on where threads cut", "[ops]") {
  OpTest t;
  const Tensor p = t.random({70001}, 1), g = t.random({70001}, 2),
               v = t.random({70001}, 4, 0.5, 0.6);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    const Threads scope(threads);
    Tensor param = t.copy_of(p), m = t.copy_of(g), second = t.copy_of(v);
    ops::adam_update({.lr = 0.01,
                      .beta1 = 0.9,
                      .beta2 = 0.95,
                      .eps = 1e-8,
                      .weight_decay = 0.1,
                      .grad_scale = 0.7,
                      .step = 2,
                      .decoupled = true},
                     param, g, m, second, *t.stream);
    results.push_back(values_of(param));
  }
  CHECK(results[0] == results[1]);
}
