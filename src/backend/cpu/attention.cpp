#include "kernels/cpu/attention.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Heads heads_of(const ops::HeadView& x) { return {f32(x.rows) + x.column, columns_of(x.rows)}; }

k::AttentionSize size_of(const ops::AttentionShape& s) {
  return {.batch = s.batch,
          .queries = s.query_tokens,
          .keys = s.key_tokens,
          .heads = s.heads,
          .kv_heads = s.kv_heads,
          .head_size = s.head_size,
          .scale = s.scale,
          .causal = s.causal,
          .query_start = s.query_start,
          .key_start = s.key_start,
          .dropout = s.dropout,
          .key = key_of(s.rng),
          .first_sequence = s.first_sequence,
          .first_head = s.first_head,
          .all_heads = s.all_heads,
          .total_tokens = s.total_tokens};
}

void sdpa_forward(const ops::HeadView& q, const ops::HeadView& k, const ops::HeadView& v,
                  const ops::AttentionShape& shape, Tensor& out, Tensor& lse, Stream& stream) {
  stream.run([=] {
    k::attention_forward(heads_of(q), heads_of(k), heads_of(v), size_of(shape), f32(out), f32(lse));
  });
}

void sdpa_backward(const ops::HeadView& q, const ops::HeadView& k, const ops::HeadView& v,
                   const Tensor& out, const Tensor& lse, const Tensor& dout,
                   const ops::AttentionShape& shape, bool accumulate, const ops::HeadView& dq,
                   const ops::HeadView& dk, const ops::HeadView& dv, Stream& stream) {
  stream.run([=] {
    k::attention_backward(heads_of(q), heads_of(k), heads_of(v), f32(out), f32(lse), f32(dout),
                          size_of(shape), accumulate, heads_of(dq), heads_of(dk), heads_of(dv));
  });
}

void rope(const ops::HeadView& x, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream& stream) {
  stream.run([=] {
    k::rope(heads_of(x), rows_of(x.rows), heads, head_size, tokens, first_position, base, inverse);
  });
}

}  // namespace

void fill_attention(ops::OpTable& table) {
  table.sdpa_forward = sdpa_forward;
  table.sdpa_backward = sdpa_backward;
  table.rope = rope;
}

}  // namespace echelon::backend::cpu
