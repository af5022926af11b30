#include "echelon/nn/linear.h"
#include "echelon/ops/linear.h"

namespace echelon::nn {

ColumnParallelLinear::ColumnParallelLinear(const Site& site, const std::string& name, Use use,
                                           const std::vector<FusedPart>& parts)
    : own_(site.row_split(name, use, parts, ".weight", site.model.hidden_size)),
      weight_(&*own_),
      tp_(site.tp) {
  if (site.model.add_bias_linear) bias_ = site.row_split(name, Use::bias, parts, ".bias", 0);
}

ColumnParallelLinear::ColumnParallelLinear(Parameter weight, const TensorParallel& tp)
    : own_(std::move(weight)), weight_(&*own_), tp_(tp) {}

ColumnParallelLinear::ColumnParallelLinear(Parameter* shared, const TensorParallel& tp)
    : weight_(shared), tp_(tp) {}

Tensor ColumnParallelLinear::forward(const Tensor& x, Context& ctx) {
  const Tensor whole = tp_.gathered(x, ctx);
  Tensor y = Tensor::empty({whole.size(0), weight_->shape[0]}, x.dtype(), ctx.memory);
  ops::linear_forward(whole, weight_->value, bias_ ? &bias_->value : nullptr, y, ctx.stream);
  ctx.save(x);
  return y;
}

Tensor ColumnParallelLinear::backward(const Tensor& dy, Context& ctx) {
  const Tensor saved = ctx.restore();
  const bool split = tp_.rows_split(ctx);
  Tensor x = saved;
  comm::Pending gather;
  if (split) {
    x = Tensor::empty({dy.size(0), saved.size(1)}, saved.dtype(), ctx.memory);
    gather = tp_.all_gather(saved, x, ctx);
  }
  Tensor partial = Tensor::empty({dy.size(0), saved.size(1)}, dy.dtype(), ctx.memory);
  ops::linear_backward_input(dy, weight_->value, partial, ctx.stream);
  std::move(gather).wait();

  Tensor dx = split ? Tensor::empty(saved.shape(), dy.dtype(), ctx.memory) : partial;
  comm::Pending sum = split ? tp_.reduce_scatter(partial, dx, ctx)
                            : tp_.all_reduce(partial, comm::ReduceOp::sum, ctx);
  std::vector<Parameter*> done;
  parameters(done);
  ctx.weight_gradient(
      [dy, x, this, sink = ctx.sink, &stream = ctx.stream] {
        Tensor weight = gradient_of(*weight_, sink);
        Tensor bias = bias_ ? gradient_of(*bias_, sink) : Tensor();
        ops::linear_backward_weight(dy, x, weight, bias.defined() ? &bias : nullptr, stream);
      },
      std::move(done));
  std::move(sum).wait();
  return dx;
}

void ColumnParallelLinear::parameters(std::vector<Parameter*>& out) {
  if (own_) out.push_back(&*own_);
  if (bias_) out.push_back(&*bias_);
}

Cost ColumnParallelLinear::cost(int64_t rows, int64_t, DType dtype) const {
  const int64_t inputs = weight_->shape[1], outputs = weight_->shape[0];
  const auto input_bytes = rows * inputs * static_cast<int64_t>(size_of(dtype));
  Cost c;
  c.flops = 2.0 * static_cast<double>(rows) * static_cast<double>(inputs * outputs);
  c.params = (own_ ? inputs * outputs : 0) + (bias_ ? outputs : 0);
  c.saved_bytes = tp_.rows_split() ? input_bytes / tp_.size() : input_bytes;
  if (tp_.split()) c.comm_bytes = (tp_.rows_split() ? 3 : 1) * input_bytes;
  return c;
}

}  // namespace echelon::nn
