#include "echelon/ops/activation.h"

#include "op_test.h"

using namespace echelon;
using namespace echelon::test;
using ops::Activation;

namespace {

double reference(Activation kind, double x) {
  switch (kind) {
    case Activation::gelu: return gelu(x);
    case Activation::gelu_tanh: return gelu_tanh(x);
    case Activation::relu: return x > 0.0 ? x : 0.0;
    case Activation::swiglu: break;
  }
  return NAN;
}

/// Everything from the far tails to the smallest numbers.
std::vector<float> wide_range() {
  std::vector<float> values;
  for (int i = -6000; i <= 6000; ++i) values.push_back(static_cast<float>(i) * 0.0025f + 0.0007f);
  for (float v = 1e-30f; v < 50.0f; v *= 1.7f) values.insert(values.end(), {v, -v});
  values.insert(values.end(), {0.0f, 88.0f, -88.0f, 1e4f, -1e4f});
  return values;
}

}  // namespace

TEST_CASE("activations and their slopes agree with float64", "[ops]") {
  const auto kind = GENERATE(Activation::gelu, Activation::gelu_tanh, Activation::relu);
  OpTest t;
  const std::vector<float> values = wide_range();
  const auto n = static_cast<int64_t>(values.size());
  Tensor x = t.of(values, {1, n}), y = t.constant({1, n}, NAN), dx = t.constant({1, n}, NAN);
  const Tensor dy = t.random({1, n}, 5);
  ops::activation_forward(kind, x, y, *t.stream);
  ops::activation_backward(kind, dy, x, dx, *t.stream);
  Doubles wanted, slope;
  for (int64_t i = 0; i < n; ++i) {
    const double at = static_cast<double>(values[static_cast<size_t>(i)]), h = 1e-5;
    wanted.push_back(reference(kind, at));
    // relu bends at 0, where the slope is taken to be 0.
    const double rise = kind == Activation::relu
                            ? (at > 0.0 ? 1.0 : 0.0)
                            : (reference(kind, at + h) - reference(kind, at - h)) / (2.0 * h);
    slope.push_back(rise * static_cast<double>(values_of(dy)[static_cast<size_t>(i)]));
  }
  CAPTURE(static_cast<int>(kind));
  CHECK(worst(values_of(y), wanted, tolerance::kActivation) <= 1.0);
  CHECK(worst(values_of(dx), slope, tolerance::kActivation) <= 1.0);
}

TEST_CASE("swiglu and its gradient agree with float64", "[ops]") {
  const int64_t rows = GENERATE(1, 5), columns = GENERATE(1, 3, 17, 40);
  OpTest t;
  Tensor x = t.random({rows, 2 * columns}, 1, 6.0), y = t.constant({rows, columns}, NAN);
  Tensor dx = t.constant({rows, 2 * columns}, NAN);
  const Tensor dy = t.random({rows, columns}, 2);
  ops::activation_forward(Activation::swiglu, x, y, *t.stream);
  ops::activation_backward(Activation::swiglu, dy, x, dx, *t.stream);
  const auto f = [&](const Doubles& v) { return swiglu(v, columns); };
  CHECK(worst(values_of(y), f(doubles(x)), tolerance::kActivation) <= 1.0);
  CHECK(worst(values_of(dx), finite_difference(f, doubles(x), doubles(dy)),
              Tolerance{2e-6, 1e-6}) <= 1.0);
}

TEST_CASE("silu saturates without NaN", "[ops]") {
  OpTest t;
  Tensor x = t.of({-1e4f, -90.0f, 0.0f, 90.0f, 1.0f, 1.0f, 1.0f, 1.0f}, {1, 8});
  Tensor y = t.constant({1, 4}, NAN), dx = t.constant({1, 8}, NAN);
  ops::activation_forward(Activation::swiglu, x, y, *t.stream);
  ops::activation_backward(Activation::swiglu, t.constant({1, 4}, 1.0f), x, dx, *t.stream);
  CHECK(std::abs(values_of(y)[0]) < 1e-30f);
  CHECK(values_of(y)[3] == 90.0f);
  CHECK(std::abs(values_of(dx)[0]) < 1e-30f);
  CHECK(values_of(dx)[3] == 1.0f);
}

TEST_CASE("activations do not depend on the number of threads", "[ops]") {
  OpTest t;
  const auto kind = GENERATE(Activation::gelu, Activation::gelu_tanh, Activation::swiglu);
  const int64_t factor = kind == Activation::swiglu ? 2 : 1;
  Tensor x = t.random({301, factor * 67}, 1, 3.0), dy = t.random({301, 67}, 2);
  Tensor y1 = t.constant({301, 67}, NAN), y3 = y1, dx1 = t.copy_of(x), dx3 = t.copy_of(x);
  y3 = t.copy_of(y1);
  {
    const Threads threads(1);
    ops::activation_forward(kind, x, y1, *t.stream);
    ops::activation_backward(kind, dy, x, dx1, *t.stream);
  }
  const Threads threads(3);
  ops::activation_forward(kind, x, y3, *t.stream);
  ops::activation_backward(kind, dy, x, dx3, *t.stream);
  CHECK(values_of(y1) == values_of(y3));
  CHECK(values_of(dx1) == values_of(dx3));
}
