#pragma once
// Element by element over flat arrays.
#include <cstdint>

namespace kernels::cpu {

void zero(void* dst, int64_t bytes);
void add(const float* a, const float* b, float* dst, int64_t n);
void axpy(float factor, const float* src, float* dst, int64_t n);
void scale(float factor, float* dst, int64_t n);
void fill(float value, float* dst, int64_t n);
double sum_of_squares(const float* x, int64_t n);

enum class Float { f32, bf16, f16 };
/// Round to nearest even; NaN stays NaN.
void cast(Float from, const void* src, Float to, void* dst, int64_t n);
bool all_finite(Float type, const void* x, int64_t n);

}  // namespace kernels::cpu
