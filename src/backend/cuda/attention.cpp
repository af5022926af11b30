#include "kernels/cuda/attention.h"

#include "cuda_ops.h"
#include "flash_plans.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

std::byte* first_of(const ops::HeadView& x) {
  return x.rows.raw() + static_cast<size_t>(x.column) * size_of(x.rows.dtype());
}
k::Heads heads_of(const ops::HeadView& x) { return {first_of(x), columns_of(x.rows)}; }

k::AttentionSize size_of_problem(const ops::AttentionShape& s) {
  ECH_CHECK(s.head_size <= k::kMaxHeadSize, "attention: head size {}, at most {} on CUDA",
            s.head_size, k::kMaxHeadSize);
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

/// The library's causal mask compares plain indices; its dropout draws other numbers than ours.
bool flash_can(const ops::AttentionShape& s) {
  return s.dropout == 0.0f && (!s.causal || s.query_start == s.key_start);
}

FlashShape flash_shape(const ops::AttentionShape& s, const ops::HeadView& q, const ops::HeadView& k,
                       const ops::HeadView& v) {
  return {.batch = s.batch,
          .queries = s.query_tokens,
          .keys = s.key_tokens,
          .heads = s.heads,
          .kv_heads = s.kv_heads,
          .head_size = s.head_size,
          .causal = s.causal,
          .type = q.rows.dtype(),
          .q_stride = columns_of(q.rows),
          .k_stride = columns_of(k.rows),
          .v_stride = columns_of(v.rows)};
}

void sdpa_forward(const ops::HeadView& q, const ops::HeadView& k, const ops::HeadView& v,
                  const ops::AttentionShape& shape, Tensor& out, Tensor& lse, Stream& stream) {
  CudaStream& s = on(stream);
  const FlashTensors tensors{.q = first_of(q),
                             .k = first_of(k),
                             .v = first_of(v),
                             .out = out.raw(),
                             .lse = lse.raw(),
                             .scale = shape.scale};
  if (flash_can(shape) && s.flash_plans().forward(flash_shape(shape, q, k, v), tensors, s)) return;
  kernels::cuda::attention_forward(float_of(out), heads_of(q), heads_of(k), heads_of(v),
                                   size_of_problem(shape), out.raw(), f32(lse), s.native());
  launched();
}

void sdpa_backward(const ops::HeadView& q, const ops::HeadView& k, const ops::HeadView& v,
                   const Tensor& out, const Tensor& lse, const Tensor& dout,
                   const ops::AttentionShape& shape, bool accumulate, const ops::HeadView& dq,
                   const ops::HeadView& dk, const ops::HeadView& dv, Stream& stream) {
  CudaStream& s = on(stream);
  FlashShape flash = flash_shape(shape, q, k, v);
  flash.dq_stride = columns_of(dq.rows);
  flash.dk_stride = columns_of(dk.rows);
  flash.dv_stride = columns_of(dv.rows);
  const FlashTensors tensors{.q = first_of(q),
                             .k = first_of(k),
                             .v = first_of(v),
                             .out = out.raw(),
                             .lse = lse.raw(),
                             .dout = dout.raw(),
                             .dq = first_of(dq),
                             .dk = first_of(dk),
                             .dv = first_of(dv),
                             .scale = shape.scale};
  if (!accumulate && flash_can(shape) && s.flash_plans().backward(flash, tensors, s)) return;
  const auto size = size_of_problem(shape);
  kernels::cuda::attention_backward(
      float_of(out), heads_of(q), heads_of(k), heads_of(v), out.raw(), f32(lse), dout.raw(), size,
      accumulate, heads_of(dq), heads_of(dk), heads_of(dv),
      scratch(s, kernels::cuda::attention_workspace(size)), s.native());
  launched();
}

void rope(const ops::HeadView& x, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream& stream) {
  k::rope(float_of(x.rows), heads_of(x), rows_of(x.rows), heads, head_size, tokens, first_position,
          base, inverse, on(stream).native());
  launched();
}

}  // namespace

void fill_attention(ops::OpTable& table) {
  table.sdpa_forward = sdpa_forward;
  table.sdpa_backward = sdpa_backward;
  table.rope = rope;
}

}  // namespace echelon::backend::cuda
