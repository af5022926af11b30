#pragma once
#include <optional>

#include "echelon/nn/layer.h"
#include "echelon/nn/site.h"

namespace echelon::nn {

/// h0 = dropout(table[token] + positions[t]). Vocabulary rows are split over the tensor-parallel
/// group: all-reduce of the partial sums, or reduce-scatter when rows are split. Reads
/// ctx.batch.tokens; forward ignores x (undefined) and backward returns an undefined tensor.
class VocabEmbedding : public Layer {
 public:
  explicit VocabEmbedding(const Site& site);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;
  /// The token matrix, for a tied head.
  Parameter& table() { return table_; }

 private:
  int64_t first_token() const { return table_.shape[0] * tp_.rank(); }

  Parameter table_;
  std::optional<Parameter> positions_;
  double dropout_;
  TensorParallel tp_;
};

}  // namespace echelon::nn
