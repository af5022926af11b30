#include "kernels/cuda/norm.h"

#include "kernel_test.h"

using namespace echelon;
using namespace echelon::test;
namespace k = kernels::cuda;

namespace {

constexpr float kEps = 1e-5f;

struct Norm {
  int64_t rows, columns;
  Floats x, gain, bias, dy, y, mean, rstd, dx, dgain, dbias, workspace;
  Norm(int64_t r, int64_t c)
      : rows(r),
        columns(c),
        x(fill(r * c, 1, 2.0)),
        gain(fill(c, 2, 0.5, 1.0)),
        bias(fill(c, 3)),
        dy(fill(r * c, 4)),
        y(constant(r * c, NAN)),
        mean(constant(r, NAN)),
        rstd(constant(r, NAN)),
        dx(constant(r * c, NAN)),
        dgain(constant(c, 0.5f)),
        dbias(constant(c, -0.25f)),
        workspace(constant(k::norm_workspace(r, c), NAN)) {}
};

Doubles plus(Doubles values, double offset) {
  for (double& v : values) v += offset;
  return values;
}

}  // namespace

TEST_CASE("layer norm kernels agree with float64", "[cuda]") {
  in_every_order();
  const auto [rows, columns] = GENERATE(std::pair{1, 1}, std::pair{5, 3}, std::pair{70, 17},
                                        std::pair{3, 64}, std::pair{2, 1028});
  CAPTURE(rows, columns);
  Norm t(rows, columns);
  k::layer_norm_forward(Float::f32, t.x.data(), t.gain.data(), t.bias.data(), kEps, t.y.data(),
                        t.mean.data(), t.rstd.data(), rows, columns, kNoStream);
  k::layer_norm_backward(Float::f32, t.dy.data(), t.x.data(), t.gain.data(), t.mean.data(),
                         t.rstd.data(), t.dx.data(), t.dgain.data(), t.dbias.data(), rows, columns,
                         t.workspace.data(), kNoStream);
  const Doubles x = widened(t.x), gain = widened(t.gain), bias = widened(t.bias),
                dy = widened(t.dy);
  const auto eps = static_cast<double>(kEps);
  CHECK(worst(t.y, layer_norm(x, gain, bias, eps), tolerance::kNorm) <= 1.0);
  if (columns > 100) return;  // finite differences cost a whole pass an element
  const auto of_x = [&](const Doubles& v) { return layer_norm(v, gain, bias, eps); };
  const auto of_gain = [&](const Doubles& v) { return layer_norm(x, v, bias, eps); };
  const auto of_bias = [&](const Doubles& v) { return layer_norm(x, gain, v, eps); };
  const Tolerance tolerance = tolerance::kNormGradient;
  CHECK(worst(t.dx, finite_difference(of_x, x, dy), tolerance) <= 1.0);
  CHECK(worst(t.dgain, plus(finite_difference(of_gain, gain, dy), 0.5), tolerance) <= 1.0);
  CHECK(worst(t.dbias, plus(finite_difference(of_bias, bias, dy), -0.25), tolerance) <= 1.0);
}

TEST_CASE("RMS norm kernels agree with float64", "[cuda]") {
  in_every_order();
  const auto [rows, columns] =
      GENERATE(std::pair{1, 1}, std::pair{70, 17}, std::pair{3, 64}, std::pair{2, 515});
  CAPTURE(rows, columns);
  Norm t(rows, columns);
  k::rms_norm_forward(Float::f32, t.x.data(), t.gain.data(), kEps, t.y.data(), t.rstd.data(), rows,
                      columns, kNoStream);
  k::rms_norm_backward(Float::f32, t.dy.data(), t.x.data(), t.gain.data(), t.rstd.data(),
                       t.dx.data(), t.dgain.data(), rows, columns, t.workspace.data(), kNoStream);
  const Doubles x = widened(t.x), gain = widened(t.gain), dy = widened(t.dy);
  const auto eps = static_cast<double>(kEps);
  CHECK(worst(t.y, rms_norm(x, gain, eps), tolerance::kNorm) <= 1.0);
  if (columns > 100) return;
  const auto of_x = [&](const Doubles& v) { return rms_norm(v, gain, eps); };
  const auto of_gain = [&](const Doubles& v) { return rms_norm(x, v, eps); };
  const Tolerance tolerance = tolerance::kNormGradient;
  CHECK(worst(t.dx, finite_difference(of_x, x, dy), tolerance) <= 1.0);
  CHECK(worst(t.dgain, plus(finite_difference(of_gain, gain, dy), 0.5), tolerance) <= 1.0);
}

TEST_CASE("norm kernels read and write bf16 and f16", "[cuda]") {
  const int64_t rows = 4, columns = GENERATE(33, 72);
  const Norm t(rows, columns);
  const auto check = [&](Float type, auto number) {
    using T = decltype(number);
    const auto x = narrowed<T>(t.x);
    std::vector<T> y(x.size());
    Floats mean = t.mean, rstd = t.rstd;
    k::layer_norm_forward(type, x.data(), t.gain.data(), t.bias.data(), kEps, y.data(), mean.data(),
                          rstd.data(), rows, columns, kNoStream);
    const Doubles wanted = layer_norm(widened(widened_floats(x)), widened(t.gain), widened(t.bias),
                                      static_cast<double>(kEps));
    CHECK(worst(widened_floats(y), wanted, rounded_to(type, tolerance::kNorm)) <= 1.0);
  };
  check(Float::bf16, bf16{});
  check(Float::f16, f16{});
}

TEST_CASE("the bias gradient kernel adds column sums", "[cuda]") {
  in_every_order();
  const int64_t rows = GENERATE(1, 63, 64, 200), columns = GENERATE(1, 31, 70);
  CAPTURE(rows, columns);
  const Floats dy = fill(rows * columns, 5);
  Floats dbias = constant(columns, 2.0f);
  Floats workspace = constant(k::bias_workspace(rows, columns), NAN);
  k::bias_gradient(Float::f32, dy.data(), dbias.data(), rows, columns, workspace.data(), kNoStream);
  Doubles wanted(static_cast<size_t>(columns), 2.0);
  for (size_t i = 0; i < dy.size(); ++i)
    wanted[i % static_cast<size_t>(columns)] += static_cast<double>(dy[i]);
  CHECK(worst(dbias, wanted, tolerance::kNorm) <= 1.0);
}
