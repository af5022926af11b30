#include "echelon/nn/embedding.h"

#include <algorithm>

#include "echelon/nn/context_parallel.h"
#include "echelon/nn/decoding.h"
#include "echelon/ops/embedding.h"
#include "src/nn/token_check.h"

namespace echelon::nn {

namespace {

/// Calls run(rows from, rows to, position of `from`, period) for whole sequences and for pieces of
/// one, so that positions inside a run are position + row % period.
template <class Run>
void for_table_runs(const ContextParallel* split, int64_t first_row, int64_t rows, int64_t tokens,
                    Run run) {
  if (split) {
    for_position_runs(split, tokens, first_row, rows,
                      [&](int64_t from, int64_t to, int64_t, int64_t position) {
                        run(from, to, position, to - from);
                      });
    return;
  }
  int64_t from = 0;
  while (from < rows) {
    const int64_t position = (first_row + from) % tokens;
    const int64_t whole = (rows - from) / tokens * tokens;
    const int64_t length =
        position == 0 && whole > 0 ? whole : std::min(rows - from, tokens - position);
    run(from, from + length, position, std::min(length, tokens));
    from += length;
  }
}

}  // namespace

VocabEmbedding::VocabEmbedding(const Site& site)
    : table_(site.vocabulary_split("embed.weight", Use::token_table)),
      dropout_(site.model.hidden_dropout),
      tp_(site.tp) {
  if (site.model.position_embedding_type == Positions::learned)
    positions_ = site.replicated("pos.weight", Use::position_table,
                                 {site.model.seq_length, site.model.hidden_size}, true);
}

Tensor VocabEmbedding::forward(const Tensor&, Context& ctx) {
  const int64_t tokens = ctx.batch.length(), rows = ctx.batch.sequences() * tokens;
  check_ids(ctx.batch.tokens, table_.shard.parts[0].whole[0], "tokens", 0);
  Tensor partial = Tensor::empty({rows, table_.shape[1]}, table_.value.dtype(), ctx.memory);
  ops::embedding_forward(ctx.batch.tokens.flat(), table_.value, first_token(), partial, ctx.stream);
  Tensor y = tp_.reduced(partial, ctx);
  if (positions_) {
    const int64_t start = ctx.decoding ? ctx.decoding->position : 0;
    ECH_CHECK(start + tokens <= positions_->shape[0], "position {} of a table of {}",
              start + tokens - 1, positions_->shape[0]);
    for_table_runs(ctx.context_parallel, tp_.first_row(y.size(0), ctx), y.size(0), tokens,
                   [&](int64_t from, int64_t to, int64_t position, int64_t period) {
                     Tensor run = y.slice(from, to);
                     ops::position_add(positions_->value, period, start + position, run,
                                       ctx.stream);
                   });
  }
  dropout_rows(y, dropout_, 0, DropoutPlace::embedding, tp_, ctx);
  return y;
}

Tensor VocabEmbedding::backward(const Tensor& dy, Context& ctx) {
  const Tensor dh = dropped_rows(dy, dropout_, 0, DropoutPlace::embedding, tp_, ctx);
  const Tensor whole = tp_.gathered(dh, ctx);
  std::vector<Parameter*> done;
  if (positions_) done.push_back(&*positions_);
  done.push_back(&table_);
  ctx.weight_gradient(
      [dh, whole, tokens = ctx.batch.tokens, first_row = tp_.first_row(dh.size(0), ctx),
       first_token = first_token(), split = ctx.context_parallel, this, sink = ctx.sink,
       &stream = ctx.stream] {
        Tensor dtable = gradient_of(table_, sink);
        ops::embedding_backward(tokens.flat(), whole, first_token, dtable, stream);
        if (!positions_) return;
        Tensor dpositions = gradient_of(*positions_, sink);
        for_table_runs(split, first_row, dh.size(0), tokens.size(1),
                       [&](int64_t from, int64_t to, int64_t position, int64_t period) {
                         ops::position_backward(dh.slice(from, to), period, position, dpositions,
                                                stream);
                       });
      },
      std::move(done));
  return {};
}

void VocabEmbedding::parameters(std::vector<Parameter*>& out) {
  out.push_back(&table_);
  if (positions_) out.push_back(&*positions_);
}

Cost VocabEmbedding::cost(int64_t rows, int64_t, DType dtype) const {
  Cost c;
  c.params = table_.shape.elements() + (positions_ ? positions_->shape.elements() : 0);
  if (tp_.split())
    c.comm_bytes =
        (tp_.rows_split() ? 2 : 1) * rows * table_.shape[1] * static_cast<int64_t>(size_of(dtype));
  return c;
}

}  // namespace echelon::nn
