#include "echelon/nn/block.h"

#include "echelon/ops/elementwise.h"

namespace echelon::nn {

Block::Block(const Site& site, int64_t layer)
    : layer_(layer),
      name_(fmt::format("h.{}", layer)),
      dropout_(site.model.hidden_dropout),
      tp_(site.tp) {
  Site here = site.below(name_ + ".");
  here.layer = layer;
  ln1_ = std::make_unique<Norm>(here, "ln1");
  attention_ = std::make_unique<Attention>(here.below("attn."));
  ln2_ = std::make_unique<Norm>(here, "ln2");
  mlp_ = std::make_unique<Mlp>(here.below("mlp."));
}

Tensor Block::residual_forward(Layer& norm, Layer& branch, DropoutPlace place, const Tensor& x,
                               Context& ctx) {
  Tensor y = branch.forward(norm.forward(x, ctx), ctx);
  dropout_rows(y, dropout_, layer_, place, tp_, ctx);
  ops::add(x, y, y, ctx.stream);
  return y;
}

Tensor Block::residual_backward(Layer& norm, Layer& branch, DropoutPlace place, const Tensor& dy,
                                Context& ctx) {
  const Tensor dropped = dropped_rows(dy, dropout_, layer_, place, tp_, ctx);
  Tensor dx = norm.backward(branch.backward(dropped, ctx), ctx);
  ops::add(dy, dx, dx, ctx.stream);
  return dx;
}

Tensor Block::forward(const Tensor& x, Context& ctx) {
  TraceScope scope(ctx.trace, name_, "forward", layer_);
  const Tensor middle = residual_forward(*ln1_, *attention_, DropoutPlace::attention_out, x, ctx);
  return residual_forward(*ln2_, *mlp_, DropoutPlace::mlp_out, middle, ctx);
}

Tensor Block::backward(const Tensor& dy, Context& ctx) {
  TraceScope scope(ctx.trace, name_, "backward", layer_);
  const Tensor middle = residual_backward(*ln2_, *mlp_, DropoutPlace::mlp_out, dy, ctx);
  return residual_backward(*ln1_, *attention_, DropoutPlace::attention_out, middle, ctx);
}

void Block::parameters(std::vector<Parameter*>& out) {
  for (Layer* layer :
       std::initializer_list<Layer*>{ln1_.get(), attention_.get(), ln2_.get(), mlp_.get()})
    layer->parameters(out);
}

Cost Block::cost(int64_t rows, int64_t tokens, DType dtype) const {
  Cost c;
  for (const Layer* layer :
       std::initializer_list<const Layer*>{ln1_.get(), attention_.get(), ln2_.get(), mlp_.get()})
    c += layer->cost(rows, tokens, dtype);
  return c;
}

}  // namespace echelon::nn
