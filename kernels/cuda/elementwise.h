#pragma once
// Element by element over flat arrays, and their reductions. Setting to zero is cudaMemsetAsync.
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

/// dst = a + b; any may alias.
void add(Float type, const void* a, const void* b, void* dst, int64_t n, Stream stream);
void axpy(float factor, const float* src, float* dst, int64_t n, Stream stream);
void scale(float factor, float* dst, int64_t n, Stream stream);
void fill(float value, float* dst, int64_t n, Stream stream);
/// Round to nearest even; NaN stays NaN.
void cast(Float from, const void* src, Float to, void* dst, int64_t n, Stream stream);

/// Doubles of workspace of sum_of_squares.
int64_t sum_workspace(int64_t n);
/// *result = sum of squares in double, the same bits in every run.
void sum_of_squares(const float* x, int64_t n, double* workspace, double* result, Stream stream);
/// *flag = 1 if any element is infinite or NaN; otherwise *flag stays.
void find_not_finite(Float type, const void* x, int64_t n, int32_t* flag, Stream stream);

}  // namespace kernels::cuda
