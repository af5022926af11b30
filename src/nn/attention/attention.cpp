#include "echelon/nn/attention.h"

#include "echelon/nn/context_parallel.h"
#include "echelon/nn/decoding.h"
#include "echelon/ops/attention.h"

namespace echelon::nn {

namespace {
HeadShape heads_of(const Site& site) {
  const ModelConfig& m = site.model;
  const int64_t t = site.tp.size();
  ECH_CHECK(m.num_attention_heads % t == 0 && m.kv_heads() % t == 0,
            "{} query and {} key/value heads over {} ranks", m.num_attention_heads, m.kv_heads(),
            t);
  return {.heads = m.num_attention_heads / t,
          .kv_heads = m.kv_heads() / t,
          .head_size = m.head_size(),
          .first_head = m.num_attention_heads / t * site.tp.rank(),
          .all_heads = m.num_attention_heads,
          .layer = site.layer,
          .dropout = m.attention_dropout};
}
}  // namespace

Attention::Attention(const Site& site)
    : shape_(heads_of(site)),
      rope_(site.model.position_embedding_type == Positions::rope),
      base_(static_cast<float>(site.model.rotary_base)) {
  const ModelConfig& m = site.model;
  const int64_t q = m.num_attention_heads * m.head_size(), kv = m.kv_heads() * m.head_size();
  qkv_ = std::make_unique<ColumnParallelLinear>(
      site, "qkv", Use::qkv, std::vector<FusedPart>{{"q", q}, {"k", kv}, {"v", kv}});
  proj_ = std::make_unique<RowParallelLinear>(site, "proj", Use::attention_out, q, m.hidden_size);
  core_ = make_attention_core(m.attention_kind, shape_);
}

void Attention::rotate(const Tensor& qkv, bool inverse, Context& ctx) const {
  if (!rope_) return;
  if (ctx.context_parallel) {
    for_position_runs(ctx.context_parallel, ctx.batch.length(), 0, qkv.size(0),
                      [&](int64_t from, int64_t to, int64_t, int64_t position) {
                        ops::rope({qkv.slice(from, to), 0}, shape_.heads + shape_.kv_heads,
                                  shape_.head_size, to - from, position, base_, inverse,
                                  ctx.stream);
                      });
    return;
  }
  // q and k heads are neighbours in the packed rows: one call turns both.
  ops::rope({qkv, 0}, shape_.heads + shape_.kv_heads, shape_.head_size, ctx.batch.length(),
            ctx.decoding ? ctx.decoding->position : 0, base_, inverse, ctx.stream);
}

Tensor Attention::forward(const Tensor& x, Context& ctx) {
  const Tensor qkv = qkv_->forward(x, ctx);
  rotate(qkv, false, ctx);
  const Tensor out = ctx.decoding ? core_->decode(qkv, ctx) : core_->forward(qkv, ctx);
  return proj_->forward(out, ctx);
}

Tensor Attention::backward(const Tensor& dy, Context& ctx) {
  const Tensor dqkv = core_->backward(proj_->backward(dy, ctx), ctx);
  rotate(dqkv, true, ctx);
  return qkv_->backward(dqkv, ctx);
}

void Attention::parameters(std::vector<Parameter*>& out) {
  qkv_->parameters(out);
  core_->parameters(out);
  proj_->parameters(out);
}

Cost Attention::cost(int64_t rows, int64_t tokens, DType dtype) const {
  Cost c = qkv_->cost(rows, tokens, dtype);
  c += core_->cost(rows, tokens, dtype);
  c += proj_->cost(rows, tokens, dtype);
  return c;
}

}  // namespace echelon::nn
