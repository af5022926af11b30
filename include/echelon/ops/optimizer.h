#pragma once
// Fused optimizer updates on flat f32 slices (docs: equations in
// include/echelon/optim/optimizer.h). `grad_scale` multiplies the gradient first (clipping, loss
// scale).
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay, grad_scale;
  int64_t step;    ///< t, from 1
  bool decoupled;  ///< AdamW: decay on the weight; otherwise g += weight_decay * p
};
void adam_update(const AdamStep& s, Tensor& param, const Tensor& grad, Tensor& m, Tensor& v,
                 Stream& stream);

struct LionStep {
  double lr, beta1, beta2, weight_decay, grad_scale;
};
void lion_update(const LionStep& s, Tensor& param, const Tensor& grad, Tensor& m, Stream& stream);

struct SgdStep {
  double lr, momentum, weight_decay, grad_scale;
  bool nesterov;
  bool first;  ///< t == 1: the buffer becomes the gradient itself
};
/// `buffer` may be undefined when momentum is 0.
void sgd_update(const SgdStep& s, Tensor& param, const Tensor& grad, Tensor* buffer,
                Stream& stream);

/// LAMB, first half: moments and u = update direction, written to `update` (equations 4.7; apex
/// form: bias-corrected; deepspeed form: uncorrected, the correction multiplies the rate).
void lamb_direction(const AdamStep& s, bool corrected, const Tensor& param, const Tensor& grad,
                    Tensor& m, Tensor& v, Tensor& update, Stream& stream);
// second half: axpy(-lr*ratio, update, param)

}  // namespace echelon::ops
