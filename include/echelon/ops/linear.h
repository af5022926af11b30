#pragma once
// Matrix products of linear layers. Weights are [out, in], activations [rows, channels].
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

/// y[M,N] = x[M,K] w[N,K]^T (+ bias[N] when given). Sets y.
void linear_forward(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y,
                    Stream& stream);
/// dx[M,K] = dy[M,N] w[N,K]. Sets dx.
void linear_backward_input(const Tensor& dy, const Tensor& w, Tensor& dx, Stream& stream);
/// dw[N,K] += dy[M,N]^T x[M,K]; dbias[N] += column sums of dy when given. Accumulates (f32).
void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw, Tensor* dbias,
                            Stream& stream);

}  // namespace echelon::ops
