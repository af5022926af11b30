#pragma once
// Elementary functions.
#include <cmath>

namespace kernels::cpu {

inline float exp_f32(float x) { return std::exp(x); }
/// Cumulative normal distribution.
inline float normal_cdf(float x) { return 0.5f * std::erfc(-x * 0.70710678118654752f); }

}  // namespace kernels::cpu
