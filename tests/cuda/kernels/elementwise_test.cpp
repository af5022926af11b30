#include "kernels/cuda/elementwise.h"

#include <bit>
#include <limits>

#include "echelon/base/philox.h"
#include "kernel_test.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/optimizer.h"
#include "kernels/cuda/activation.h"
#include "kernels/cuda/optimizer.h"
#include "kernels/cuda/random.h"

using namespace echelon;
using namespace echelon::test;
namespace k = kernels::cuda;

TEST_CASE("add, axpy, scale and fill kernels touch every element once", "[cuda]") {
  in_every_order();
  // The offset takes away the alignment that packs need.
  const int64_t n = GENERATE(1, 3, 4, 1023, 5000), offset = GENERATE(0, 1);
  CAPTURE(n, offset);
  const Floats a = fill(n + offset, 1), b = fill(n + offset, 2);
  Floats sum = constant(n + offset + 1, 9.0f), scaled = b, filled = sum, added = b;
  k::add(Float::f32, a.data() + offset, b.data() + offset, sum.data() + offset, n, kNoStream);
  k::axpy(0.5f, a.data() + offset, added.data() + offset, n, kNoStream);
  k::scale(-3.0f, scaled.data() + offset, n, kNoStream);
  k::fill(4.0f, filled.data() + offset, n, kNoStream);
  CHECK(sum.back() == 9.0f);
  CHECK(filled.back() == 9.0f);
  for (size_t i = static_cast<size_t>(offset); i < a.size(); ++i) {
    REQUIRE(sum[i] == a[i] + b[i]);
    REQUIRE(added[i] == std::fma(0.5f, a[i], b[i]));  // exact product
    REQUIRE(scaled[i] == -3.0f * b[i]);
    REQUIRE(filled[i] == 4.0f);
  }
}

TEST_CASE("cast kernels round to nearest even in every direction", "[cuda]") {
  Floats x = fill(1001, 3, 100.0);
  x[0] = 0x1.01p0f, x[1] = 0x1.03p0f, x[2] = 1e-7f, x[3] = 1e6f, x[4] = INFINITY;
  std::vector<bf16> brain(x.size()), via(x.size());
  std::vector<f16> half(x.size());
  const auto n = static_cast<int64_t>(x.size());
  k::cast(Float::f32, x.data(), Float::bf16, brain.data(), n, kNoStream);
  k::cast(Float::f32, x.data(), Float::f16, half.data(), n, kNoStream);
  k::cast(Float::f16, half.data(), Float::bf16, via.data(), n, kNoStream);
  Floats back(x.size());
  k::cast(Float::bf16, brain.data(), Float::f32, back.data(), n, kNoStream);
  for (size_t i = 0; i < x.size(); ++i) {
    REQUIRE(brain[i].bits == bf16(x[i]).bits);
    REQUIRE(half[i].bits == f16(x[i]).bits);
    REQUIRE(via[i].bits == bf16(static_cast<float>(f16(x[i]))).bits);
    REQUIRE(back[i] == static_cast<float>(bf16(x[i])));
  }
}

TEST_CASE("the sum of squares kernel adds in double, the same in either order", "[cuda]") {
  const int64_t n = GENERATE(0, 1, 1000, 40000);
  const Floats x = fill(n, 4, 3.0);
  std::vector<double> workspace(static_cast<size_t>(k::sum_workspace(n)), NAN);
  double sums[2] = {NAN, NAN}, wanted = 0.0;
  for (const float v : x) wanted += static_cast<double>(v) * static_cast<double>(v);
  for (const auto order : {cuda_on_cpu::Order::ascending, cuda_on_cpu::Order::descending}) {
    cuda_on_cpu::set_order(order);
    k::sum_of_squares(x.data(), n, workspace.data(), &sums[static_cast<int>(order)], kNoStream);
  }
  CHECK(sums[0] == Approx(wanted).epsilon(1e-13));
  CHECK(sums[0] == sums[1]);
}

TEST_CASE("the finite check kernel finds one bad element in any place", "[cuda]") {
  const int64_t n = 2049;
  for (const size_t at : {size_t{0}, size_t{1022}, size_t{2048}})
    for (const float bad : {INFINITY, -INFINITY, NAN}) {
      Floats x = fill(n, 6, 3e38);
      int32_t flag = 0;
      k::find_not_finite(Float::f32, x.data(), n, &flag, kNoStream);
      CHECK(flag == 0);
      x[at] = bad;
      k::find_not_finite(Float::f32, x.data(), n, &flag, kNoStream);
      CHECK(flag == 1);
      const auto brain = narrowed<bf16>(x);
      flag = 0;
      k::find_not_finite(Float::bf16, brain.data(), n, &flag, kNoStream);
      CHECK(flag == 1);
    }
}

TEST_CASE("activation kernels agree with float64", "[cuda]") {
  const int64_t n = 1003;
  const Floats x = fill(n, 7, 6.0), dy = fill(n, 8);
  struct Case {
    k::Act act;
    double (*f)(double);
  };
  const auto relu = [](double v) { return v > 0.0 ? v : 0.0; };
  for (const Case& c :
       {Case{k::Act::gelu, gelu}, Case{k::Act::gelu_tanh, gelu_tanh}, Case{k::Act::relu, relu}}) {
    CAPTURE(static_cast<int>(c.act));
    Floats y = constant(n, NAN), dx = y;
    k::activation_forward(c.act, Float::f32, x.data(), y.data(), n, kNoStream);
    k::activation_backward(c.act, Float::f32, dy.data(), x.data(), dx.data(), n, kNoStream);
    Doubles value, slope;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto v = static_cast<double>(x[i]);
      value.push_back(c.f(v));
      slope.push_back(static_cast<double>(dy[i]) * (c.f(v + 1e-5) - c.f(v - 1e-5)) / 2e-5);
    }
    CHECK(worst(y, value, tolerance::kActivation) <= 1.0);
    CHECK(worst(dx, slope, tolerance::kActivation) <= 1.0);
  }
}

TEST_CASE("swiglu kernels agree with float64", "[cuda]") {
  const int64_t rows = 5, columns = GENERATE(3, 64);
  const Floats x = fill(rows * 2 * columns, 9, 4.0), dy = fill(rows * columns, 10);
  Floats y = constant(rows * columns, NAN), dx = constant(rows * 2 * columns, NAN);
  k::swiglu_forward(Float::f32, x.data(), y.data(), rows, columns, kNoStream);
  k::swiglu_backward(Float::f32, dy.data(), x.data(), dx.data(), rows, columns, kNoStream);
  CHECK(worst(y, swiglu(widened(x), columns), tolerance::kActivation) <= 1.0);
  const auto f = [&](const Doubles& v) { return swiglu(v, columns); };
  CHECK(worst(dx, finite_difference(f, widened(x), widened(dy)), {1e-6, 4e-7}) <= 1.0);
}

TEST_CASE("random kernels draw the numbers of their elements of the whole", "[cuda]") {
  in_every_order();
  const Philox rng{42, make_stream(Draw::test, 1, 2, 3)};
  const k::Part part{5, 7, 23, 3, GENERATE(0, 1, 6)};
  const auto element = [&](size_t i) {
    return static_cast<uint64_t>((3 + i / 7) * 23 + static_cast<size_t>(part.first_column) + i % 7);
  };
  const k::PhiloxKey key{rng.seed, rng.stream};
  Floats normal = constant(35, NAN), uniform = normal;
  const Floats x = fill(35, 11);
  Floats kept = x;
  k::fill_normal(normal.data(), 0.5f, 2.0f, key, part, kNoStream);
  k::fill_uniform(uniform.data(), 3.0f, key, part, kNoStream);
  k::dropout(Float::f32, kept.data(), 0.3f, key, part, kNoStream);
  for (size_t i = 0; i < 35; ++i) {
    const float u = rng.uniform(element(i));
    CHECK(normal[i] == static_cast<float>(0.5 + 2.0 * rng.normal(element(i))));
    CHECK(uniform[i] == 3.0f * (2.0f * u - 1.0f));
    CHECK(kept[i] == (u >= 0.3f ? x[i] * (1.0f / (1.0f - 0.3f)) : 0.0f));
  }
}

namespace {

struct State {
  Floats p = fill(1001, 12), g = fill(1001, 13), m = fill(1001, 14, 0.1),
         v = fill(1001, 15, 0.05, 0.06), u = constant(1001, NAN);
};

void check_same(const State& cuda, const State& cpu) {
  CHECK(worst(cuda.p, widened(cpu.p), tolerance::kOptimizer) <= 1.0);
  CHECK(worst(cuda.m, widened(cpu.m), tolerance::kOptimizer) <= 1.0);
  CHECK(worst(cuda.v, widened(cpu.v), tolerance::kOptimizer) <= 1.0);
}

}  // namespace

TEST_CASE("optimizer kernels step as the CPU's, which agree with float64", "[cuda]") {
  namespace c = kernels::cpu;
  State a, b;
  const int64_t n = 1001;
  const c::AdamScalars adam{0.5f, 0.02f, 0.99f, 0.9f, 0.1f, 0.95f, 0.05f, 1e-3f, 1.3f, 1e-8f};
  c::adam(adam, b.p.data(), b.g.data(), b.m.data(), b.v.data(), n);
  k::adam(adam, a.p.data(), a.g.data(), a.m.data(), a.v.data(), n, kNoStream);
  check_same(a, b);
  const c::LambScalars lamb{0.5f, 0.9f, 0.1f, 0.95f, 0.05f, 2.0f, 1.3f, 1e-6f, 0.01f};
  c::lamb(lamb, b.p.data(), b.g.data(), b.m.data(), b.v.data(), b.u.data(), n);
  k::lamb(lamb, a.p.data(), a.g.data(), a.m.data(), a.v.data(), a.u.data(), n, kNoStream);
  check_same(a, b);
  CHECK(worst(a.u, widened(b.u), {2e-6, 1e-6}) <= 1.0);
  const c::LionScalars lion{0.5f, 0.99f, 1e-3f, 0.9f, 0.1f, 0.98f, 0.02f};
  c::lion(lion, b.p.data(), b.g.data(), b.m.data(), n);
  k::lion(lion, a.p.data(), a.g.data(), a.m.data(), n, kNoStream);
  check_same(a, b);
  for (const bool nesterov : {false, true})
    for (const bool first : {true, false}) {
      const c::SgdScalars sgd{0.5f, 0.01f, 0.1f, 0.9f, nesterov, first};
      c::sgd(sgd, b.p.data(), b.g.data(), b.m.data(), n);
      k::sgd(sgd, a.p.data(), a.g.data(), a.m.data(), n, kNoStream);
      check_same(a, b);
    }
  const c::SgdScalars plain{0.5f, 0.01f, 0.1f, 0.0f, false, true};
  c::sgd(plain, b.p.data(), b.g.data(), nullptr, n);
  k::sgd(plain, a.p.data(), a.g.data(), nullptr, n, kNoStream);
  check_same(a, b);
}
