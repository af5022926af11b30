#pragma once
#include "echelon/nn/attention.h"
#include "echelon/nn/mlp.h"
#include "echelon/nn/norm.h"

namespace echelon::nn {

/// Pre-norm residual block: h = h + drop(A(ln1(h))); h = h + drop(M(ln2(h))).
class Block : public Layer {
 public:
  /// Parameters "h.<layer>.ln1...", numbered from site.number.
  Block(const Site& site, int64_t layer);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;
  /// May be wrapped (selective rematerialization).
  Attention& attention() { return *attention_; }
  std::unique_ptr<Layer>& mlp() { return mlp_; }

 private:
  /// x + drop(branch(norm(x))).
  Tensor residual_forward(Layer& norm, Layer& branch, DropoutPlace place, const Tensor& x,
                          Context& ctx);
  Tensor residual_backward(Layer& norm, Layer& branch, DropoutPlace place, const Tensor& dy,
                           Context& ctx);

  int64_t layer_;
  std::string name_;
  double dropout_;
  TensorParallel tp_;
  std::unique_ptr<Attention> attention_;
  std::unique_ptr<Layer> ln1_, ln2_, mlp_;
};

}  // namespace echelon::nn
