#pragma once
// LayerNorm (Ba et al. 2016) and RMSNorm (Zhang and Sennrich 2019) over the last dimension.
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

/// y = (x - mean) * rstd * gain + bias per row; sets y [R,C], mean [R], rstd [R] (f32).
void layer_norm_forward(const Tensor& x, const Tensor& gain, const Tensor& bias, float eps,
                        Tensor& y, Tensor& mean, Tensor& rstd, Stream& stream);
/// Sets dx; adds to dgain [C] and dbias [C].
void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dgain, Tensor& dbias,
                         Stream& stream);
/// y = x * rstd * gain with rstd = 1/sqrt(mean(x^2) + eps); sets y, rstd [R].
void rms_norm_forward(const Tensor& x, const Tensor& gain, float eps, Tensor& y, Tensor& rstd,
                      Stream& stream);
/// Sets dx; adds to dgain [C].
void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& rstd,
                       Tensor& dx, Tensor& dgain, Stream& stream);

}  // namespace echelon::ops
