#include "echelon/ops/elementwise.h"

#include <bit>

#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

TEST_CASE("zero, add, axpy, scale and fill do what they say", "[ops]") {
  OpTest t;
  const int64_t n = GENERATE(0, 1, 17, 40000);
  const Tensor a = t.random({n}, 1), b = t.random({n}, 2);
  Tensor sum = t.constant({n}, NAN), scaled = t.copy_of(a), added = t.copy_of(b);
  Tensor nothing = t.constant({n}, NAN), constant = t.constant({n}, NAN);
  const Threads threads(3);
  ops::add(a, b, sum, *t.stream);
  ops::scale(-1.5f, scaled, *t.stream);
  ops::axpy(0.5f, a, added, *t.stream);
  ops::zero(nothing, *t.stream);
  ops::fill_constant(constant, 2.5f, *t.stream);
  const auto av = values_of(a), bv = values_of(b);
  const auto s = values_of(sum), c = values_of(scaled), x = values_of(added);
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    if (s[i] != av[i] + bv[i] || c[i] != -1.5f * av[i]) FAIL("element " << i);
    if (std::abs(x[i] - (bv[i] + 0.5f * av[i])) > 1e-7f) FAIL("axpy element " << i);
  }
  CHECK(values_of(nothing) == std::vector<float>(static_cast<size_t>(n), 0.0f));
  CHECK(values_of(constant) == std::vector<float>(static_cast<size_t>(n), 2.5f));
}

TEST_CASE("add may write over either argument", "[ops]") {
  OpTest t;
  Tensor a = t.random({100}, 1), b = t.random({100}, 2), wanted = t.constant({100}, 0.0f);
  ops::add(a, b, wanted, *t.stream);
  Tensor left = t.copy_of(a), right = t.copy_of(b);
  ops::add(left, b, left, *t.stream);
  ops::add(a, right, right, *t.stream);
  CHECK(values_of(left) == values_of(wanted));
  CHECK(values_of(right) == values_of(wanted));
}

TEST_CASE("casts agree with the scalar conversions for every 16-bit pattern", "[ops]") {
  OpTest t;
  constexpr int64_t kCount = 65536;
  Tensor wide = t.constant({kCount}, NAN);
  Tensor narrow = Tensor::empty({kCount}, DType::bf16, *t.allocator);
  Tensor half = Tensor::empty({kCount}, DType::f16, *t.allocator);
  for (int64_t i = 0; i < kCount; ++i) {
    narrow.data<bf16>()[i].bits = static_cast<uint16_t>(i);
    half.data<f16>()[i].bits = static_cast<uint16_t>(i);
  }
  const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  ops::cast(narrow, wide, *t.stream);
  for (int64_t i = 0; i < kCount; ++i)
    if (!same(wide.data<float>()[i], static_cast<float>(narrow.data<bf16>()[i])))
      FAIL("bf16 " << i);
  ops::cast(half, wide, *t.stream);
  for (int64_t i = 0; i < kCount; ++i)
    if (!same(wide.data<float>()[i], static_cast<float>(half.data<f16>()[i]))) FAIL("f16 " << i);
  SUCCEED();
}

TEST_CASE("casts round to nearest even as the scalar conversions do", "[ops]") {
  OpTest t;
  std::vector<float> values = fill(5000, 9, 70000.0);
  for (const float v : fill(5000, 10, 1e-5)) values.push_back(v);
  // Ties between neighbours, overflow, the smallest numbers, NaN.
  values.insert(values.end(), {1.00390625f, 1.01171875f, 65519.0f, 65520.0f, 3.4e38f, 1e-45f, 6e-8f,
                               -0.0f, INFINITY, -INFINITY, NAN});
  const auto n = static_cast<int64_t>(values.size());
  const Tensor x = t.of(values, {n});
  Tensor b = Tensor::empty({n}, DType::bf16, *t.allocator);
  Tensor h = Tensor::empty({n}, DType::f16, *t.allocator);
  ops::cast(x, b, *t.stream);
  ops::cast(x, h, *t.stream);
  int wrong = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float v = values[static_cast<size_t>(i)];
    const bool both_nan = std::isnan(v) && std::isnan(static_cast<float>(b.data<bf16>()[i])) &&
                          std::isnan(static_cast<float>(h.data<f16>()[i]));
    if (!both_nan &&
        (b.data<bf16>()[i].bits != bf16(v).bits || h.data<f16>()[i].bits != f16(v).bits))
      ++wrong;
  }
  CHECK(wrong == 0);
  Tensor through = Tensor::empty({n}, DType::f16, *t.allocator);
  ops::cast(b, through, *t.stream);
  CHECK(through.data<f16>()[0].bits == f16(static_cast<float>(b.data<bf16>()[0])).bits);
}

TEST_CASE("the sum of squares is summed in double and does not depend on threads", "[ops]") {
  OpTest t;
  const int64_t n = GENERATE(0, 1, 33, 100003);
  const Tensor x = t.random({n}, 1, 1.0, 1000.0);
  long double wanted = 0.0L;
  for (const float v : x.span<float>())
    wanted += static_cast<long double>(v) * static_cast<long double>(v);
  double one = 0.0;
  {
    const Threads threads(1);
    one = ops::sum_of_squares(x, *t.stream);
  }
  const Threads threads(3);
  CHECK(ops::sum_of_squares(x, *t.stream) == one);
  CHECK(one == Approx(static_cast<double>(wanted)).epsilon(1e-12));
}

TEST_CASE("one infinity or NaN anywhere is found in every float type", "[ops]") {
  OpTest t;
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f16);
  const float bad = GENERATE(INFINITY, -INFINITY, NAN);
  const int64_t at = GENERATE(0, 77777, 150000);
  Tensor wide = t.random({150001}, 1, 60000.0);
  Tensor x = Tensor::empty({150001}, dtype, *t.allocator);
  ops::cast(wide, x, *t.stream);
  CHECK(ops::all_finite(x, *t.stream));
  wide.data<float>()[at] = bad;
  ops::cast(wide, x, *t.stream);
  CHECK_FALSE(ops::all_finite(x, *t.stream));
}
