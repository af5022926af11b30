#pragma once
// Normalisation of rows. x, y, dy, dx are [rows, columns].
#include <cstdint>

namespace kernels::cpu {

void layer_norm_forward(const float* x, const float* gain, const float* bias, float eps, float* y,
                        float* mean, float* rstd, int64_t rows, int64_t columns);
/// Sets dx, adds to dgain and dbias.
void layer_norm_backward(const float* dy, const float* x, const float* gain, const float* mean,
                         const float* rstd, float* dx, float* dgain, float* dbias, int64_t rows,
                         int64_t columns);
void rms_norm_forward(const float* x, const float* gain, float eps, float* y, float* rstd,
                      int64_t rows, int64_t columns);
void rms_norm_backward(const float* dy, const float* x, const float* gain, const float* rstd,
                       float* dx, float* dgain, int64_t rows, int64_t columns);

}  // namespace kernels::cpu
