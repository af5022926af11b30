#pragma once
// Linear layers split over the tensor-parallel group. With one rank they are plain linear layers.
#include <optional>

#include "echelon/nn/layer.h"
#include "echelon/nn/site.h"

namespace echelon::nn {

/// y = x W^T + b with the rows of W (outputs) split: every rank computes its outputs from the whole
/// x. Rows split between ranks are gathered first, and again in backward (only this rank's rows are
/// stashed). Backward sums the gradient of x over the group while the weight gradient is computed.
class ColumnParallelLinear : public Layer {
 public:
  /// One parameter (and bias) holding all `parts`: "<name>.weight", "<name>.bias".
  ColumnParallelLinear(const Site& site, const std::string& name, Use use,
                       const std::vector<FusedPart>& parts);
  /// Without a bias, on a weight of its own.
  ColumnParallelLinear(Parameter weight, const TensorParallel& tp);
  /// On a weight somebody else owns, lists and reports as ready (tied head).
  ColumnParallelLinear(Parameter* shared, const TensorParallel& tp);
  ColumnParallelLinear(const ColumnParallelLinear&) = delete;
  ColumnParallelLinear& operator=(const ColumnParallelLinear&) = delete;

  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;
  const Parameter& weight() const { return *weight_; }

 private:
  std::optional<Parameter> own_;
  Parameter* weight_;
  std::optional<Parameter> bias_;
  TensorParallel tp_;
};

/// y = x W^T + b with the columns of W (inputs) split: partial results are summed over the group
/// (all-reduce; reduce-scatter when rows are split), the bias is added once, after the sum.
class RowParallelLinear : public Layer {
 public:
  RowParallelLinear(const Site& site, const std::string& name, Use use, int64_t inputs,
                    int64_t outputs);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  Parameter weight_;
  std::optional<Parameter> bias_;
  TensorParallel tp_;
};

}  // namespace echelon::nn
