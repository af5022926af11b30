#include "kernels/cpu/cross_entropy.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

constexpr int64_t kBlock = 1024;

int64_t rows_per_thread(int64_t columns) { return 1 + (kGrain / 4) / (columns + 1); }

}  // namespace

void row_max(const float* logits, int64_t rows, int64_t columns, int64_t valid, float* max) {
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float* row = logits + r * columns;
      float most = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : most)
      for (int64_t c = 0; c < valid; ++c) most = row[c] > most ? row[c] : most;
      max[r] = most;
    }
  });
}

void row_sums(const float* logits, const Logits& shape, const float* max, float* sum,
              float* target_logit) {
  const Logits s = shape;
  parallel_ranges(s.rows, rows_per_thread(s.columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float* row = logits + r * s.columns;
      const float most = max[r];
      double total = 0.0;  // of blocks: a float sum of 50,000 terms loses two digits
      for (int64_t first = 0; first < s.valid; first += kBlock) {
        const int64_t last = first + kBlock < s.valid ? first + kBlock : s.valid;
        Lanes block{};
        for_lanes(first, last, [&](int64_t c, int64_t count) {
          const Lanes e = exp_lanes(load_up_to(row + c, count) - most);
          block +=
              count == kLanes ? e : select(kLaneIndex < static_cast<int32_t>(count), e, Lanes{});
        });
        total += static_cast<double>(sum_of(block));
      }
      sum[r] = static_cast<float>(total);
      const int64_t target = s.targets[r] - s.first_column;
      target_logit[r] = target >= 0 && target < s.valid ? row[target] : 0.0f;
    }
  });
}

double loss_sum(const float* max, const float* sum, const float* target_logit,
                const int32_t* targets, int32_t ignored, int64_t rows) {
  double total = 0.0;
  for (int64_t r = 0; r < rows; ++r)
    if (targets[r] != ignored)
      total += std::log(static_cast<double>(sum[r])) + static_cast<double>(max[r]) -
               static_cast<double>(target_logit[r]);
  return total;
}

void softmax_gradient(float* logits, const Logits& shape, const float* max, const float* sum,
                      int32_t ignored, float scale) {
  const Logits s = shape;
  parallel_ranges(s.rows, rows_per_thread(s.columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      float* row = logits + r * s.columns;
      if (s.targets[r] == ignored) {
        std::memset(row, 0, static_cast<size_t>(s.columns) * sizeof(float));
        continue;
      }
      const float most = max[r], factor = scale / sum[r];
      for_lanes(0, s.valid, [=](int64_t c, int64_t count) {
        store_up_to(row + c, factor * exp_lanes(load_up_to(row + c, count) - most), count);
      });
      for (int64_t c = s.valid; c < s.columns; ++c) row[c] = 0.0f;
      const int64_t target = s.targets[r] - s.first_column;
      if (target >= 0 && target < s.valid) row[target] -= scale;
    }
  });
}

}  // namespace kernels::cpu
