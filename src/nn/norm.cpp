#include "echelon/nn/norm.h"

#include "echelon/ops/norm.h"

namespace echelon::nn {

Norm::Norm(const Site& site, const std::string& name)
    : gain_(site.replicated(name + ".weight", Use::gain, {site.model.hidden_size}, true)),
      eps_(static_cast<float>(site.model.norm_epsilon)),
      tp_(site.tp) {
  if (site.model.norm_bias())
    bias_ = site.replicated(name + ".bias", Use::bias, {site.model.hidden_size}, true);
}

Tensor Norm::forward(const Tensor& x, Context& ctx) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), ctx.memory);
  Tensor rstd = Tensor::empty({x.size(0)}, DType::f32, ctx.memory);
  ctx.save(x);
  if (bias_) {
    Tensor mean = Tensor::empty({x.size(0)}, DType::f32, ctx.memory);
    ops::layer_norm_forward(x, gain_.value, bias_->value, eps_, y, mean, rstd, ctx.stream);
    ctx.save(mean);
  } else {
    ops::rms_norm_forward(x, gain_.value, eps_, y, rstd, ctx.stream);
  }
  ctx.save(rstd);
  return y;
}

Tensor Norm::backward(const Tensor& dy, Context& ctx) {
  const Tensor rstd = ctx.restore();
  const Tensor mean = bias_ ? ctx.restore() : Tensor();
  const Tensor x = ctx.restore();
  Tensor dx = Tensor::empty(x.shape(), dy.dtype(), ctx.memory);
  Tensor dgain = gradient_of(gain_, ctx.sink);
  if (bias_) {
    Tensor dbias = gradient_of(*bias_, ctx.sink);
    ops::layer_norm_backward(dy, x, gain_.value, mean, rstd, dx, dgain, dbias, ctx.stream);
  } else {
    ops::rms_norm_backward(dy, x, gain_.value, rstd, dx, dgain, ctx.stream);
  }
  std::vector<Parameter*> done;
  parameters(done);
  ctx.weight_gradient(nullptr, std::move(done));
  return dx;
}

void Norm::parameters(std::vector<Parameter*>& out) {
  out.push_back(&gain_);
  if (bias_) out.push_back(&*bias_);
}

Cost Norm::cost(int64_t rows, int64_t, DType dtype) const {
  const int64_t h = gain_.shape[0], own = tp_.rows_split() ? rows / tp_.size() : rows;
  Cost c;
  c.params = bias_ ? 2 * h : h;
  c.saved_bytes = own * (h * static_cast<int64_t>(size_of(dtype)) + (bias_ ? 8 : 4));
  return c;
}

}  // namespace echelon::nn
