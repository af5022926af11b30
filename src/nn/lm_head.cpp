#include "echelon/nn/lm_head.h"

#include <algorithm>
#include <cstring>

#include "echelon/ops/cross_entropy.h"
#include "echelon/ops/elementwise.h"
#include "echelon/ops/linear.h"
#include "src/nn/token_check.h"

namespace echelon::nn {

LmHead::LmHead(const Site& site, VocabEmbedding* tied)
    : norm_(std::make_unique<Norm>(site, "ln_f")), vocab_(site.model.vocab_size), tp_(site.tp) {
  if (tied) {
    projection_ = std::make_unique<ColumnParallelLinear>(&tied->table(), tp_);
  } else if (site.model.tie_embeddings) {
    int64_t number_of_embedding = 0;
    const Site first{site.model, site.tp, number_of_embedding, ""};
    Parameter copy = first.vocabulary_split("embed.weight", Use::token_table);
    copy.shard.tied_copy = true;
    projection_ = std::make_unique<ColumnParallelLinear>(std::move(copy), tp_);
  } else {
    projection_ = std::make_unique<ColumnParallelLinear>(
        site.vocabulary_split("head.weight", Use::head), tp_);
  }
}

Tensor LmHead::forward(const Tensor& x, Context& ctx) {
  TraceScope scope(ctx.trace, "head", "forward");
  return ctx.head == HeadOutput::loss ? loss(x, ctx) : logits(x, ctx);
}

Tensor LmHead::loss(const Tensor& x, Context& ctx) {
  Tensor scores = projection_->forward(norm_->forward(x, ctx), ctx);
  const int64_t rows = scores.size(0);
  const Tensor targets = ctx.batch.targets.flat();
  check_ids(targets, vocab_, "targets", ops::kIgnoreTarget);
  Tensor max = Tensor::empty({rows}, DType::f32, ctx.memory);
  Tensor sum = Tensor::empty({rows}, DType::f32, ctx.memory);
  Tensor target_logit = Tensor::empty({rows}, DType::f32, ctx.memory);
  ops::cross_entropy_max(scores, valid(), max, ctx.stream);
  tp_.all_reduce(max, comm::ReduceOp::max, ctx).wait();
  ops::cross_entropy_sums(scores, valid(), max, targets, first_column(), sum, target_logit,
                          ctx.stream);
  tp_.all_reduce(sum, comm::ReduceOp::sum, ctx).wait();
  tp_.all_reduce(target_logit, comm::ReduceOp::sum, ctx).wait();
  ctx.save(scores);
  ctx.save(max);
  ctx.save(sum);
  Tensor result = Tensor::empty({1}, DType::f64, ctx.memory);
  *result.data<double>() = ops::cross_entropy_loss(max, sum, target_logit, targets, ctx.stream);
  return result;
}

Tensor LmHead::backward(const Tensor&, Context& ctx) {
  TraceScope scope(ctx.trace, "head", "backward");
  const Tensor sum = ctx.restore();
  const Tensor max = ctx.restore();
  Tensor scores = ctx.restore();
  ops::cross_entropy_backward(scores, valid(), max, sum, ctx.batch.targets.flat(), first_column(),
                              ctx.loss_scale, ctx.stream);
  return norm_->backward(projection_->backward(scores, ctx), ctx);
}

Tensor LmHead::logits(const Tensor& x, Context& ctx) {
  ECH_CHECK(!ctx.training, "logits are for evaluation; training asks for the loss");
  Tensor h = tp_.gathered(x, ctx);
  if (ctx.head == HeadOutput::last_logits) {
    const int64_t length = ctx.batch.length();
    Tensor last = Tensor::empty({ctx.batch.sequences(), h.size(1)}, h.dtype(), ctx.memory);
    for (int64_t b = 0; b < last.size(0); ++b) {
      Tensor row = last.slice(b, b + 1);
      ops::cast(h.slice((b + 1) * length - 1, (b + 1) * length), row, ctx.stream);
    }
    h = last;
  }
  h = norm_->forward(h, ctx);
  const int64_t rows = h.size(0), own = weight().shape[0];
  Tensor scores = Tensor::empty({rows, own}, h.dtype(), ctx.memory);
  ops::linear_forward(h, weight().value, nullptr, scores, ctx.stream);
  Tensor parts = Tensor::empty({tp_.size(), rows, own}, DType::f32, ctx.memory);
  Tensor mine = parts.slice(tp_.rank(), tp_.rank() + 1).view({rows, own});
  ops::cast(scores, mine, ctx.stream);
  if (tp_.split()) tp_.all_gather(mine, parts, ctx).wait();

  Tensor out = Tensor::empty({rows, vocab_}, DType::f32, ctx.memory);
  for (int64_t rank = 0; rank * own < vocab_; ++rank) {
    const int64_t columns = std::min(own, vocab_ - rank * own);
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(out.data<float>() + r * vocab_ + rank * own,
                  parts.data<float>() + (rank * rows + r) * own,
                  static_cast<size_t>(columns) * sizeof(float));
  }
  return out;
}

void LmHead::parameters(std::vector<Parameter*>& out) {
  norm_->parameters(out);
  projection_->parameters(out);
}

Cost LmHead::cost(int64_t rows, int64_t tokens, DType dtype) const {
  Cost c = norm_->cost(rows, tokens, dtype);
  c += projection_->cost(rows, tokens, dtype);
  c.saved_bytes += rows * (weight().shape[0] * static_cast<int64_t>(size_of(dtype)) + 8);
  if (tp_.split()) c.comm_bytes += 3 * rows * 4;
  return c;
}

}  // namespace echelon::nn
