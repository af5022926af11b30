#include "echelon/nn/mlp.h"

namespace echelon::nn {

Mlp::Mlp(const Site& site)
    : activation_(site.model.activation), hidden_(site.model.ffn_size() / site.tp.size()) {
  const int64_t f = site.model.ffn_size();
  if (site.model.gated())
    in_ = std::make_unique<ColumnParallelLinear>(site, "gate_up", Use::mlp_in,
                                                 std::vector<FusedPart>{{"gate", f}, {"up", f}});
  else
    in_ = std::make_unique<ColumnParallelLinear>(site, "fc", Use::mlp_in,
                                                 std::vector<FusedPart>{{"fc", f}});
  out_ = std::make_unique<RowParallelLinear>(site, "out", Use::mlp_out, f, site.model.hidden_size);
}

Tensor Mlp::forward(const Tensor& x, Context& ctx) {
  const Tensor before = in_->forward(x, ctx);
  Tensor after = Tensor::empty({before.size(0), hidden_}, before.dtype(), ctx.memory);
  ops::activation_forward(activation_, before, after, ctx.stream);
  ctx.save(before);
  return out_->forward(after, ctx);
}

Tensor Mlp::backward(const Tensor& dy, Context& ctx) {
  const Tensor dafter = out_->backward(dy, ctx);
  const Tensor before = ctx.restore();
  Tensor dbefore = Tensor::empty(before.shape(), dafter.dtype(), ctx.memory);
  ops::activation_backward(activation_, dafter, before, dbefore, ctx.stream);
  return in_->backward(dbefore, ctx);
}

void Mlp::parameters(std::vector<Parameter*>& out) {
  in_->parameters(out);
  out_->parameters(out);
}

Cost Mlp::cost(int64_t rows, int64_t tokens, DType dtype) const {
  Cost c = in_->cost(rows, tokens, dtype);
  c += out_->cost(rows, tokens, dtype);
  const int64_t before = activation_ == ops::Activation::swiglu ? 2 * hidden_ : hidden_;
  c.saved_bytes += rows * before * static_cast<int64_t>(size_of(dtype));
  return c;
}

}  // namespace echelon::nn
