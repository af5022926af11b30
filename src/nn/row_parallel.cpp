#include "echelon/nn/linear.h"
#include "echelon/ops/embedding.h"
#include "echelon/ops/linear.h"

namespace echelon::nn {

RowParallelLinear::RowParallelLinear(const Site& site, const std::string& name, Use use,
                                     int64_t inputs, int64_t outputs)
    : weight_(site.column_split(name + ".weight", use, outputs, inputs)), tp_(site.tp) {
  if (site.model.add_bias_linear)
    bias_ = site.replicated(name + ".bias", Use::bias, {outputs}, true);
}

Tensor RowParallelLinear::forward(const Tensor& x, Context& ctx) {
  Tensor partial = Tensor::empty({x.size(0), weight_.shape[0]}, x.dtype(), ctx.memory);
  const bool fused_bias = bias_ && !tp_.split();
  ops::linear_forward(x, weight_.value, fused_bias ? &bias_->value : nullptr, partial, ctx.stream);
  ctx.save(x);
  Tensor y = tp_.reduced(partial, ctx);
  if (bias_ && !fused_bias)  // a bias is a position table with one row
    ops::position_add(bias_->value.view({1, y.size(1)}), 1, 0, y, ctx.stream);
  return y;
}

Tensor RowParallelLinear::backward(const Tensor& dy, Context& ctx) {
  const Tensor x = ctx.restore();
  const Tensor whole = tp_.gathered(dy, ctx);
  Tensor dx = Tensor::empty(x.shape(), dy.dtype(), ctx.memory);
  ops::linear_backward_input(whole, weight_.value, dx, ctx.stream);
  std::vector<Parameter*> done;
  parameters(done);
  const bool own_rows = tp_.rows_split(ctx);
  ctx.weight_gradient(
      [dy, whole, x, own_rows, this, sink = ctx.sink, &stream = ctx.stream] {
        Tensor weight = gradient_of(weight_, sink);
        Tensor bias = bias_ ? gradient_of(*bias_, sink) : Tensor();
        // Each rank adds the bias to its own rows only, so its gradient is taken from them.
        ops::linear_backward_weight(whole, x, weight, bias.defined() && !own_rows ? &bias : nullptr,
                                    stream);
        if (!bias.defined() || !own_rows) return;
        Tensor row = bias.view({1, bias.elements()});
        ops::position_backward(dy, 1, 0, row, stream);
      },
      std::move(done));
  return dx;
}

void RowParallelLinear::parameters(std::vector<Parameter*>& out) {
  out.push_back(&weight_);
  if (bias_) out.push_back(&*bias_);
}

Cost RowParallelLinear::cost(int64_t rows, int64_t, DType dtype) const {
  const int64_t inputs = weight_.shape[1], outputs = weight_.shape[0];
  const auto e = static_cast<int64_t>(size_of(dtype));
  Cost c;
  c.flops = 2.0 * static_cast<double>(rows) * static_cast<double>(inputs * outputs);
  c.params = inputs * outputs + (bias_ ? outputs : 0);
  c.saved_bytes = rows * inputs * e;
  if (tp_.split()) c.comm_bytes = (tp_.rows_split() ? 2 : 1) * rows * outputs * e;
  return c;
}

}  // namespace echelon::nn
