#include "echelon/ops/norm.h"

#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

struct NormCase : OpTest {
  int64_t rows, columns;
  Tensor x, gain, bias, dy, y, mean, rstd, dx, dgain, dbias;
  static constexpr float kEps = 1e-5f;

  NormCase(int64_t r, int64_t c, double offset = 0.0)
      : rows(r),
        columns(c),
        x(random({r, c}, 1, 2.0, offset)),
        gain(random({c}, 2, 0.5, 1.0)),
        bias(random({c}, 3)),
        dy(random({r, c}, 4)),
        y(constant({r, c}, NAN)),
        mean(constant({r}, NAN)),
        rstd(constant({r}, NAN)),
        dx(constant({r, c}, NAN)),
        dgain(constant({c}, 0.5f)),
        dbias(constant({c}, -0.25f)) {}

  void layer() {
    ops::layer_norm_forward(x, gain, bias, kEps, y, mean, rstd, *stream);
    ops::layer_norm_backward(dy, x, gain, mean, rstd, dx, dgain, dbias, *stream);
  }
  void rms() {
    ops::rms_norm_forward(x, gain, kEps, y, rstd, *stream);
    ops::rms_norm_backward(dy, x, gain, rstd, dx, dgain, *stream);
  }
};

constexpr double kEps64 = static_cast<double>(NormCase::kEps);

Doubles plus(Doubles values, double offset) {
  for (double& v : values) v += offset;
  return values;
}

}  // namespace

TEST_CASE("layer norm and its gradient agree with float64", "[ops]") {
  const int64_t rows = GENERATE(1, 5, 33, 70), columns = GENERATE(1, 3, 17, 64);
  CAPTURE(rows, columns);
  NormCase t(rows, columns);
  t.layer();
  const Doubles x = doubles(t.x), gain = doubles(t.gain), bias = doubles(t.bias),
                dy = doubles(t.dy);
  CHECK(worst(values_of(t.y), layer_norm(x, gain, bias, kEps64), tolerance::kNorm) <= 1.0);
  const auto of_x = [&](const Doubles& v) { return layer_norm(v, gain, bias, kEps64); };
  const auto of_gain = [&](const Doubles& v) { return layer_norm(x, v, bias, kEps64); };
  const auto of_bias = [&](const Doubles& v) { return layer_norm(x, gain, v, kEps64); };
  CHECK(worst(values_of(t.dx), finite_difference(of_x, x, dy), tolerance::kNormGradient) <= 1.0);
  // Gains and biases add to what is there.
  CHECK(worst(values_of(t.dgain), plus(finite_difference(of_gain, gain, dy), 0.5),
              tolerance::kNormGradient) <= 1.0);
  CHECK(worst(values_of(t.dbias), plus(finite_difference(of_bias, bias, dy), -0.25),
              tolerance::kNormGradient) <= 1.0);
}

TEST_CASE("RMS norm and its gradient agree with float64", "[ops]") {
  const int64_t rows = GENERATE(1, 5, 33, 70), columns = GENERATE(1, 3, 17, 64);
  CAPTURE(rows, columns);
  NormCase t(rows, columns);
  t.rms();
  const Doubles x = doubles(t.x), gain = doubles(t.gain), dy = doubles(t.dy);
  CHECK(worst(values_of(t.y), rms_norm(x, gain, kEps64), tolerance::kNorm) <= 1.0);
  const auto of_x = [&](const Doubles& v) { return rms_norm(v, gain, kEps64); };
  const auto of_gain = [&](const Doubles& v) { return rms_norm(x, v, kEps64); };
  CHECK(worst(values_of(t.dx), finite_difference(of_x, x, dy), tolerance::kNormGradient) <= 1.0);
  CHECK(worst(values_of(t.dgain), plus(finite_difference(of_gain, gain, dy), 0.5),
              tolerance::kNormGradient) <= 1.0);
}

TEST_CASE("layer norm saves the mean and the reciprocal deviation of each row", "[ops]") {
  NormCase t(3, 768, 100.0);  // far from zero: the variance must not cancel
  t.layer();
  const Doubles x = doubles(t.x);
  for (size_t r = 0; r < 3; ++r) {
    double mean = 0.0, variance = 0.0;
    for (size_t c = 0; c < 768; ++c) mean += x[r * 768 + c] / 768.0;
    for (size_t c = 0; c < 768; ++c)
      variance += (x[r * 768 + c] - mean) * (x[r * 768 + c] - mean) / 768.0;
    CHECK(values_of(t.mean)[r] == Approx(mean).epsilon(1e-6));
    CHECK(values_of(t.rstd)[r] == Approx(1.0 / std::sqrt(variance + kEps64)).epsilon(1e-5));
  }
}

TEST_CASE("norms do not depend on the number of threads", "[ops]") {
  NormCase one(531, 96), three(531, 96), rms_one(531, 96), rms_three(531, 96);
  {
    const Threads threads(1);
    one.layer();
    rms_one.rms();
  }
  const Threads threads(3);
  three.layer();
  rms_three.rms();
  CHECK(values_of(one.y) == values_of(three.y));
  CHECK(values_of(one.dx) == values_of(three.dx));
  CHECK(values_of(one.dgain) == values_of(three.dgain));
  CHECK(values_of(one.dbias) == values_of(three.dbias));
  CHECK(values_of(rms_one.dx) == values_of(rms_three.dx));
  CHECK(values_of(rms_one.dgain) == values_of(rms_three.dgain));
}
