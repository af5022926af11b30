#include <cmath>
#include <thread>

#include "echelon/ops/linear.h"
#include "tests/ops/op_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

struct Sizes {
  int64_t m, n, k;
};

// One layer's tensors, all starting `offset` floats into their buffers.
struct Layer {
  Layer(const OpTest& t, Sizes sizes, int64_t offset = 0) : s(sizes) {
    const auto make = [&](Shape shape, int seed) {
      const int64_t count = shape.elements();
      Tensor all = t.random({offset + count}, seed);
      return all.flat(offset, offset + count).view(shape);
    };
    x = make({s.m, s.k}, 1);
    w = make({s.n, s.k}, 2);
    bias = make({s.n}, 3);
    y = make({s.m, s.n}, 4);
    dy = make({s.m, s.n}, 5);
    dx = make({s.m, s.k}, 6);
    dw = make({s.n, s.k}, 7);
    dbias = make({s.n}, 8);
  }
  void run(Stream& stream) {
    ops::linear_forward(x, w, &bias, y, stream);
    ops::linear_backward_input(dy, w, dx, stream);
    ops::linear_backward_weight(dy, x, dw, &dbias, stream);
  }
  Sizes s;
  Tensor x, w, bias, y, dy, dx, dw, dbias;
};

// dst = start + sum over l of a(l) b(l) in float64, and the largest error of f32 arithmetic in any
// order: each term passes at most terms + 2 roundings (Higham, Accuracy and Stability,
// section 3.1).
struct Exact {
  double value = 0, magnitude = 0;
  int64_t terms = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
    ++terms;
  }
  double bound() const {
    const double nu = static_cast<double>(terms + 2) * 0x1p-24;
    return nu / (1 - nu) * magnitude;
  }
};

// Largest |got - exact| / bound of a matrix whose element (i, j) starts at start(i, j) and adds
// terms(i, j, l) for l < depth. At most 1 where every element is right.
template <class Start, class Term>
double worst(const Tensor& got, int64_t rows, int64_t columns, int64_t depth, const Start& start,
             const Term& term) {
  double most = 0;
  const float* values = got.data<float>();
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      Exact exact;
      exact.add(start(i, j));
      for (int64_t l = 0; l < depth; ++l) exact.add(term(i, j, l));
      const double error = std::abs(values[i * columns + j] - exact.value);
      most = std::isfinite(error) ? std::max(most, error / exact.bound()) : INFINITY;
    }
  }
  return most;
}

void check_against_float64(Sizes s, int64_t offset) {
  CAPTURE(s.m, s.n, s.k, offset);
  const OpTest t;
  Layer layer(t, s, offset);
  const Tensor dw_before = t.copy_of(layer.dw), dbias_before = t.copy_of(layer.dbias);
  layer.run(*t.stream);
  const float *x = layer.x.data<float>(), *w = layer.w.data<float>(), *dy = layer.dy.data<float>();
  const float *bias = layer.bias.data<float>(), *dw0 = dw_before.data<float>(),
              *dbias0 = dbias_before.data<float>();
  const auto zero = [](int64_t, int64_t) { return 0.0; };
  CHECK(worst(
            layer.y, s.m, s.n, s.k, [&](int64_t, int64_t j) { return bias[j]; },
            [&](int64_t i, int64_t j, int64_t l) {
              return double{x[i * s.k + l]} * w[j * s.k + l];
            }) <= 1);
  CHECK(worst(layer.dx, s.m, s.k, s.n, zero, [&](int64_t i, int64_t j, int64_t l) {
          return double{dy[i * s.n + l]} * w[l * s.k + j];
        }) <= 1);
  CHECK(worst(
            layer.dw, s.n, s.k, s.m, [&](int64_t i, int64_t j) { return dw0[i * s.k + j]; },
            [&](int64_t i, int64_t j, int64_t l) {
              return double{dy[l * s.n + i]} * x[l * s.k + j];
            }) <= 1);
  CHECK(worst(
            layer.dbias, 1, s.n, s.m, [&](int64_t, int64_t j) { return dbias0[j]; },
            [&](int64_t, int64_t j, int64_t l) { return double{dy[l * s.n + j]}; }) <= 1);
}

}  // namespace

TEST_CASE("linear products of odd shapes stay within the rounding bound of float64",
          "[ops][linear]") {
  const Sizes shapes[] = {{1, 1, 1},       {1, 4, 4},      {3, 5, 7},     {8, 48, 16},
                          {9, 49, 17},     {7, 47, 15},    {65, 1, 31},   {100, 3, 2},
                          {2, 200, 1},     {1, 130, 770},  {33, 97, 385}, {31, 2500, 40},
                          {20, 1700, 400}, {400, 33, 1100}};
  for (const Sizes& s : shapes) {
    check_against_float64(s, 0);
    check_against_float64(s, 1);
  }
}

TEST_CASE("linear products with rows 12288 bytes apart are right", "[ops][linear]") {
  check_against_float64({24, 3072, 70}, 0);
  check_against_float64({24, 70, 3072}, 0);
}

TEST_CASE("linear products of random shapes stay within the rounding bound", "[ops][linear]") {
  const std::vector<float> u = fill(60, 99, 0.5, 0.5);
  for (size_t i = 0; i < u.size(); i += 3) {
    const auto size = [&](float v) { return 1 + static_cast<int64_t>(150.0 * v * v); };
    check_against_float64({size(u[i]), size(u[i + 1]), size(u[i + 2])},
                          static_cast<int64_t>(i % 16));
  }
}

TEST_CASE("linear forward without a bias is the product alone", "[ops][linear]") {
  const OpTest t;
  Layer layer(t, {5, 50, 20});
  ops::linear_forward(layer.x, layer.w, nullptr, layer.y, *t.stream);
  Tensor zeros = t.constant({50}, 0.0f), again = t.constant({5, 50}, 7.0f);
  ops::linear_forward(layer.x, layer.w, &zeros, again, *t.stream);
  CHECK((values_of(layer.y) == values_of(again)));
}

TEST_CASE("linear weight gradient without a bias leaves the same weights", "[ops][linear]") {
  const OpTest t;
  Layer layer(t, {70, 50, 20});
  Tensor alone = t.copy_of(layer.dw);
  ops::linear_backward_weight(layer.dy, layer.x, alone, nullptr, *t.stream);
  ops::linear_backward_weight(layer.dy, layer.x, layer.dw, &layer.dbias, *t.stream);
  CHECK((values_of(alone) == values_of(layer.dw)));
}

TEST_CASE("linear weight gradient of no rows adds nothing", "[ops][linear]") {
  const OpTest t;
  Layer layer(t, {4, 6, 8});
  const std::vector<float> before = values_of(layer.dw), bias_before = values_of(layer.dbias);
  ops::linear_backward_weight(layer.dy.slice(0, 0), layer.x.slice(0, 0), layer.dw, &layer.dbias,
                              *t.stream);
  CHECK((values_of(layer.dw) == before));
  CHECK((values_of(layer.dbias) == bias_before));
}

// Comparisons of whole tensors stand in double parentheses: a failure then prints no numbers.
TEST_CASE("linear products do not depend on the number of threads", "[ops][linear]") {
  const OpTest t;
  for (const Sizes& s : {Sizes{130, 1000, 390}, Sizes{64, 96, 3072}, Sizes{37, 3072, 50}}) {
    CAPTURE(s.m, s.n, s.k);
    std::vector<std::vector<float>> first;
    for (int threads = 1; threads <= 4; ++threads) {
      CAPTURE(threads);
      const Threads scope(threads);
      Layer layer(t, s);
      layer.run(*t.stream);
      const std::vector<std::vector<float>> got = {values_of(layer.y), values_of(layer.dx),
                                                   values_of(layer.dw), values_of(layer.dbias)};
      if (threads == 1) first = got;
      CHECK((got == first));
    }
  }
}

TEST_CASE("ranks that are threads compute linear products at the same time", "[ops][linear]") {
  const OpTest t;
  const Sizes s{90, 300, 200};
  Layer alone(t, s);
  alone.run(*t.stream);
  std::vector<Layer> layers;
  for (int i = 0; i < 3; ++i) layers.emplace_back(t, s);
  std::vector<std::thread> ranks;
  for (Layer& layer : layers) {
    ranks.emplace_back([&layer] {
      const Threads scope(2);
      layer.run(*make_inline_stream());
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const Layer& layer : layers) {
    CHECK((values_of(layer.y) == values_of(alone.y)));
    CHECK((values_of(layer.dx) == values_of(alone.dx)));
    CHECK((values_of(layer.dw) == values_of(alone.dw)));
    CHECK((values_of(layer.dbias) == values_of(alone.dbias)));
  }
}

TEMPLATE_TEST_CASE("16-bit weights multiply like their f32 values", "[ops][linear]", bf16, f16) {
  const OpTest t;
  Layer layer(t, {19, 70, 90});
  Tensor narrow = Tensor::empty({70, 90}, DTypeOf<TestType>::value, *t.allocator);
  const auto stored = narrow.span<TestType>();
  const auto wide = layer.w.span<float>();
  for (size_t i = 0; i < wide.size(); ++i) {
    stored[i] = TestType(i % 9 == 0 ? wide[i] * 1e-6f : wide[i]);  // f16: subnormals among them
    wide[i] = static_cast<float>(stored[i]);
  }
  Tensor y = t.constant({19, 70}, 0.0f), dx = t.constant({19, 90}, 0.0f);
  layer.run(*t.stream);
  ops::linear_forward(layer.x, narrow, &layer.bias, y, *t.stream);
  ops::linear_backward_input(layer.dy, narrow, dx, *t.stream);
  CHECK((values_of(y) == values_of(layer.y)));
  CHECK((values_of(dx) == values_of(layer.dx)));
}
