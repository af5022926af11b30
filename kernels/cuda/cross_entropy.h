#pragma once
// Passes of the cross-entropy over rows of logits whose vocabulary may be a part of the whole.
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

/// Columns from `valid` on are padding; column c is vocabulary entry first_column + c.
struct Logits {
  int64_t rows, columns, valid;
  const int32_t* targets;
  int64_t first_column;
};

void row_max(Float type, const void* logits, int64_t rows, int64_t columns, int64_t valid,
             float* max, Stream stream);
/// sum = sum of exp(logit - max); target_logit = the target's logit, 0 where it is not held here.
void row_sums(Float type, const void* logits, const Logits& shape, const float* max, float* sum,
              float* target_logit, Stream stream);
/// *result = sum over targets that are not ignored of log(sum) + max - target_logit, in double.
void loss_sum(const float* max, const float* sum, const float* target_logit, const int32_t* targets,
              int32_t ignored, int64_t rows, double* result, Stream stream);
/// logits become scale * (softmax - one_hot(target)); 0 in ignored rows and padding.
void softmax_gradient(Float type, void* logits, const Logits& shape, const float* max,
                      const float* sum, int32_t ignored, float scale, Stream stream);

}  // namespace kernels::cuda
