#pragma once
#include <memory>

#include "echelon/nn/linear.h"

namespace echelon::nn {

/// y = act(x Wfc^T + b) Wout^T + b, or with swiglu (silu(gate) * up) Wout^T on a fused gate and up
/// projection: "<site>fc" or "<site>gate_up" (parts gate, up), "<site>out".
class Mlp : public Layer {
 public:
  explicit Mlp(const Site& site);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  ops::Activation activation_;
  int64_t hidden_;  ///< columns after the activation, on this rank
  std::unique_ptr<Layer> in_, out_;
};

}  // namespace echelon::nn
