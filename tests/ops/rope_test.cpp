#include "echelon/ops/attention.h"
#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

TEST_CASE("rope rotates each pair by its position and frequency", "[ops]") {
  const int64_t head_size = GENERATE(4, 20, 64), first = GENERATE(0, 1000);
  OpTest t;
  constexpr int64_t kTokens = 5, kHeads = 3;
  const int64_t width = kHeads * head_size + 3;
  Tensor x = t.random({2 * kTokens, width}, 1);
  Doubles wanted = doubles(x);
  const int64_t half = head_size / 2;
  for (int64_t r = 0; r < 2 * kTokens; ++r)
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        const double theta =
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
        const double angle = static_cast<double>(first + r % kTokens) * theta;
        double& low = wanted[static_cast<size_t>(r * width + 2 + h * head_size + i)];
        double& high = wanted[static_cast<size_t>(r * width + 2 + h * head_size + i + half)];
        const double a = low, b = high;
        low = a * std::cos(angle) - b * std::sin(angle);
        high = b * std::cos(angle) + a * std::sin(angle);
      }
  const Doubles before = doubles(x);
  ops::rope({x, 2}, kHeads, head_size, kTokens, first, 10000.0f, false, *t.stream);
  CHECK(worst(values_of(x), wanted, tolerance::kRope) <= 1.0);
  ops::rope({x, 2}, kHeads, head_size, kTokens, first, 10000.0f, true, *t.stream);
  CHECK(worst(values_of(x), before, {4e-7, 4e-7}) <= 1.0);
}
