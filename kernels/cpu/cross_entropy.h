#pragma once
// Softmax cross-entropy of [rows, columns] logits whose first `valid` columns count.
#include <cstdint>

namespace kernels::cpu {

struct Logits {
  int64_t rows, columns, valid;
  const int32_t* targets;
  int64_t first_column;
};

void row_max(const float* logits, int64_t rows, int64_t columns, int64_t valid, float* max);
void row_sums(const float* logits, const Logits& shape, const float* max, float* sum,
              float* target_logit);
double loss_sum(const float* max, const float* sum, const float* target_logit,
                const int32_t* targets, int32_t ignored, int64_t rows);
void softmax_gradient(float* logits, const Logits& shape, const float* max, const float* sum,
                      int32_t ignored, float scale);

}  // namespace kernels::cpu
