#pragma once
#include <memory>

#include "echelon/nn/embedding.h"
#include "echelon/nn/linear.h"
#include "echelon/nn/norm.h"

namespace echelon::nn {

/// Final norm, vocabulary projection, cross-entropy over the vocabulary split on the
/// tensor-parallel group (three reductions of one f32 per token: max, sum of exponentials, target
/// logit). Padding columns take no part. forward: by ctx.head; the loss is the sum in nats over
/// targets that are not ignored. backward ignores dy: the seed is ctx.loss_scale.
class LmHead : public Layer {
 public:
  /// With `tied`, the head uses that token matrix; its owner lists it and reports it as ready.
  /// Without, the head has a weight of its own: "head.weight", or, when the model is tied but the
  /// embedding lives on another stage, a copy of "embed.weight" marked tied_copy.
  LmHead(const Site& site, VocabEmbedding* tied);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  Tensor loss(const Tensor& x, Context& ctx);
  Tensor logits(const Tensor& x, Context& ctx);
  const Parameter& weight() const { return projection_->weight(); }
  /// Columns of this rank that are no padding, and the token of the first.
  int64_t valid() const { return weight().shard.parts[0].box.size[0]; }
  int64_t first_column() const { return weight().shape[0] * tp_.rank(); }

  std::unique_ptr<Norm> norm_;
  std::unique_ptr<ColumnParallelLinear> projection_;
  int64_t vocab_;
  TensorParallel tp_;
};

}  // namespace echelon::nn
