// Embeddings and cross-entropy.
#include "kernel_test.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/embedding.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/embedding.h"

using namespace echelon;
using namespace echelon::test;
namespace k = kernels::cuda;
namespace c = kernels::cpu;

TEST_CASE("embedding kernels copy rows and add gradients in row order", "[cuda]") {
  in_every_order();
  const int64_t rows = GENERATE(1, 40, 600), columns = GENERATE(3, 40), first = GENERATE(0, 5);
  CAPTURE(rows, columns, first);
  constexpr int64_t kTableRows = 11;  // of a vocabulary of 23: many tokens are elsewhere
  const auto ids = tokens(rows, 23, 1);
  const Floats table = fill(kTableRows * columns, 2), dy = fill(rows * columns, 3);
  Floats y = constant(rows * columns, NAN), wanted = y;
  k::embedding_forward(Float::f32, ids.data(), table.data(), first, kTableRows, y.data(), rows,
                       columns, kNoStream);
  c::embedding_forward(ids.data(), table.data(), first, kTableRows, wanted.data(), rows, columns);
  CHECK(y == wanted);
  Floats gradient = fill(kTableRows * columns, 4), cpu = gradient;
  k::embedding_backward(Float::f32, ids.data(), dy.data(), first, kTableRows, gradient.data(), rows,
                        columns, kNoStream);
  c::embedding_backward(ids.data(), dy.data(), first, kTableRows, cpu.data(), rows, columns);
  CHECK(gradient == cpu);  // the same order of the same sums
}

TEST_CASE("position kernels add rows of the table and their gradients", "[cuda]") {
  const int64_t tokens_of_each = 6, rows = 18, columns = GENERATE(3, 8), first = GENERATE(0, 2);
  const Floats table = fill(10 * columns, 2), dy = fill(rows * columns, 3);
  Floats y = dy, gradient = table;
  k::position_add(Float::f32, table.data(), tokens_of_each, first, y.data(), rows, columns,
                  kNoStream);
  k::position_backward(Float::f32, dy.data(), tokens_of_each, first, gradient.data(), rows, columns,
                       kNoStream);
  Doubles wanted = widened(table);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t col = 0; col < columns; ++col) {
      const auto at = static_cast<size_t>(r * columns + col);
      const auto in_table = static_cast<size_t>((first + r % tokens_of_each) * columns + col);
      CHECK(y[at] == dy[at] + table[in_table]);
      wanted[in_table] += static_cast<double>(dy[at]);
    }
  CHECK(worst(gradient, wanted, tolerance::kNorm) <= 1.0);
}

TEST_CASE("cross-entropy kernels agree with the CPU's passes, which agree with float64", "[cuda]") {
  in_every_order();
  const int64_t columns = GENERATE(1, 17, 260, 1500), padding = GENERATE(0, 4);
  const int64_t rows = 6, first = 10, width = columns + padding;
  CAPTURE(columns, padding);
  Floats logits = fill(rows * width, 1, 8.0);
  for (int64_t r = 0; r < rows; ++r)  // what stands in the padding must not matter
    for (int64_t p = columns; p < width; ++p) logits[static_cast<size_t>(r * width + p)] = 1e30f;
  const auto last = static_cast<int32_t>(first + columns - 1);
  const std::vector<int32_t> targets = {10, -100, last, 3, static_cast<int32_t>(last + 1), 10};
  const k::Logits shape{rows, width, columns, targets.data(), first};
  const c::Logits cpu_shape{rows, width, columns, targets.data(), first};
  Floats max = constant(rows, NAN), sum = max, hit = max, max2 = max, sum2 = max, hit2 = max;
  k::row_max(Float::f32, logits.data(), rows, width, columns, max.data(), kNoStream);
  c::row_max(logits.data(), rows, width, columns, max2.data());
  CHECK(max == max2);
  k::row_sums(Float::f32, logits.data(), shape, max.data(), sum.data(), hit.data(), kNoStream);
  c::row_sums(logits.data(), cpu_shape, max2.data(), sum2.data(), hit2.data());
  CHECK(worst(sum, widened(sum2), tolerance::kCrossEntropy) <= 1.0);
  CHECK(hit == hit2);
  double loss = NAN;
  k::loss_sum(max.data(), sum.data(), hit.data(), targets.data(), -100, rows, &loss, kNoStream);
  CHECK(loss == Approx(c::loss_sum(max.data(), sum.data(), hit.data(), targets.data(), -100, rows))
                    .epsilon(1e-14));
  Floats gradient = logits;
  k::softmax_gradient(Float::f32, gradient.data(), shape, max.data(), sum.data(), -100, 0.125f,
                      kNoStream);
  c::softmax_gradient(logits.data(), cpu_shape, max.data(), sum.data(), -100, 0.125f);
  CHECK(worst(gradient, widened(logits), tolerance::kCrossEntropy) <= 1.0);
}
