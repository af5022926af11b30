#pragma once
#include <optional>

#include "echelon/nn/layer.h"
#include "echelon/nn/site.h"

namespace echelon::nn {

/// LayerNorm (gain and bias) or RMSNorm (gain) over the channels of each row: "<name>.weight",
/// "<name>.bias". Works on this rank's rows.
class Norm : public Layer {
 public:
  Norm(const Site& site, const std::string& name);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  Parameter gain_;
  std::optional<Parameter> bias_;  ///< LayerNorm
  float eps_;
  TensorParallel tp_;
};

}  // namespace echelon::nn
