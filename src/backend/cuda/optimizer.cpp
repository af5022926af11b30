#include "kernels/cuda/optimizer.h"

#include <cmath>

#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

float narrow(double x) { return static_cast<float>(x); }
double correction(double beta, int64_t step) {
  return 1.0 - std::pow(beta, static_cast<double>(step));
}

void adam_update(const ops::AdamStep& s, Tensor& param, const Tensor& grad, Tensor& m, Tensor& v,
                 Stream& stream) {
  const k::AdamScalars scalars{.grad_scale = narrow(s.grad_scale),
                               .coupled_decay = s.decoupled ? 0.0f : narrow(s.weight_decay),
                               .shrink = s.decoupled ? narrow(1.0 - s.lr * s.weight_decay) : 1.0f,
                               .beta1 = narrow(s.beta1),
                               .one_minus_beta1 = narrow(1.0 - s.beta1),
                               .beta2 = narrow(s.beta2),
                               .one_minus_beta2 = narrow(1.0 - s.beta2),
                               .rate = narrow(s.lr / correction(s.beta1, s.step)),
                               .root_scale = narrow(1.0 / std::sqrt(correction(s.beta2, s.step))),
                               .eps = narrow(s.eps)};
  k::adam(scalars, f32(param), f32(grad), f32(m), f32(v), param.elements(), on(stream).native());
  launched();
}

void lion_update(const ops::LionStep& s, Tensor& param, const Tensor& grad, Tensor& m,
                 Stream& stream) {
  const k::LionScalars scalars{.grad_scale = narrow(s.grad_scale),
                               .shrink = narrow(1.0 - s.lr * s.weight_decay),
                               .lr = narrow(s.lr),
                               .beta1 = narrow(s.beta1),
                               .one_minus_beta1 = narrow(1.0 - s.beta1),
                               .beta2 = narrow(s.beta2),
                               .one_minus_beta2 = narrow(1.0 - s.beta2)};
  k::lion(scalars, f32(param), f32(grad), f32(m), param.elements(), on(stream).native());
  launched();
}

void sgd_update(const ops::SgdStep& s, Tensor& param, const Tensor& grad, Tensor* buffer,
                Stream& stream) {
  const k::SgdScalars scalars{.grad_scale = narrow(s.grad_scale),
                              .decay = narrow(s.weight_decay),
                              .lr = narrow(s.lr),
                              .momentum = narrow(s.momentum),
                              .nesterov = s.nesterov,
                              .first = s.first};
  k::sgd(scalars, f32(param), f32(grad), buffer ? f32(*buffer) : nullptr, param.elements(),
         on(stream).native());
  launched();
}

void lamb_direction(const ops::AdamStep& s, bool corrected, const Tensor& param, const Tensor& grad,
                    Tensor& m, Tensor& v, Tensor& update, Stream& stream) {
  const k::LambScalars scalars{
      .grad_scale = narrow(s.grad_scale),
      .beta1 = narrow(s.beta1),
      .one_minus_beta1 = narrow(1.0 - s.beta1),
      .beta2 = narrow(s.beta2),
      .one_minus_beta2 = narrow(1.0 - s.beta2),
      .m_scale = corrected ? narrow(1.0 / correction(s.beta1, s.step)) : 1.0f,
      .root_scale = corrected ? narrow(1.0 / std::sqrt(correction(s.beta2, s.step))) : 1.0f,
      .eps = narrow(s.eps),
      .decay = narrow(s.weight_decay)};
  k::lamb(scalars, f32(param), f32(grad), f32(m), f32(v), f32(update), param.elements(),
          on(stream).native());
  launched();
}

}  // namespace

void fill_optimizer(ops::OpTable& table) {
  table.adam_update = adam_update;
  table.lion_update = lion_update;
  table.sgd_update = sgd_update;
  table.lamb_direction = lamb_direction;
}

}  // namespace echelon::backend::cuda
