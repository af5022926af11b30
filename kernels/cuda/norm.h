#pragma once
// Normalisation of rows. x, y, dy, dx are [rows, columns] of `type`; gain, bias, statistics and
// gradients of parameters are f32. A source of every launcher: one block a row, sums in fixed
// order.
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

void layer_norm_forward(Float type, const void* x, const float* gain, const float* bias, float eps,
                        void* y, float* mean, float* rstd, int64_t rows, int64_t columns,
                        Stream stream);
void rms_norm_forward(Float type, const void* x, const float* gain, float eps, void* y, float* rstd,
                      int64_t rows, int64_t columns, Stream stream);

/// Floats of workspace that the backward passes need.
int64_t norm_workspace(int64_t rows, int64_t columns);
/// Sets dx, adds to dgain and dbias.
void layer_norm_backward(Float type, const void* dy, const void* x, const float* gain,
                         const float* mean, const float* rstd, void* dx, float* dgain, float* dbias,
                         int64_t rows, int64_t columns, float* workspace, Stream stream);
void rms_norm_backward(Float type, const void* dy, const void* x, const float* gain,
                       const float* rstd, void* dx, float* dgain, int64_t rows, int64_t columns,
                       float* workspace, Stream stream);

/// dbias[columns] += column sums of dy. Workspace: bias_workspace(rows, columns) floats.
int64_t bias_workspace(int64_t rows, int64_t columns);
void bias_gradient(Float type, const void* dy, float* dbias, int64_t rows, int64_t columns,
                   float* workspace, Stream stream);

}  // namespace kernels::cuda
