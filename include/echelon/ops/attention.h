#pragma once
// Scaled dot-product attention, tiled: scores of one tile at a time, never tokens x tokens.
#include "echelon/base/philox.h"
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

/// Columns [column, column + heads*head_size) of a row-major [batch*tokens, width] tensor; head h
/// starts at column + h*head_size. Lets q, k, v be read from (and gradients written to) one packed
/// qkv tensor without copies.
struct HeadView {
  Tensor rows;
  int64_t column = 0;
};

struct AttentionShape {
  int64_t batch = 1;
  int64_t query_tokens = 0;  ///< rows of q, out, dout per sequence
  int64_t key_tokens = 0;    ///< rows of k, v per sequence
  int64_t heads = 1;         ///< query heads on this rank
  int64_t kv_heads = 1;      ///< divides heads; query head h reads kv head h / (heads/kv_heads)
  int64_t head_size = 64;
  float scale = 1.0f;
  bool causal = true;
  /// Position of the first query / key in the whole sequence: query i sees key j iff
  /// query_start + i >= key_start + j. Differ in cached decoding and in context parallelism.
  int64_t query_start = 0;
  int64_t key_start = 0;
  /// Dropout of the probabilities; element ((sequence*all_heads + head)*total_tokens + query)*
  /// total_tokens + key of `rng`, all indices global, so every layout draws the same mask.
  float dropout = 0.0f;
  Philox rng;
  int64_t first_sequence = 0, first_head = 0, all_heads = 1, total_tokens = 0;
};

/// Sets out[batch*query_tokens, heads*head_size] and lse[batch, heads, query_tokens] (f32, natural
/// log of the sum of exponentials of scaled scores; -inf for rows that see no key, out 0 there).
void sdpa_forward(const HeadView& q, const HeadView& k, const HeadView& v,
                  const AttentionShape& shape, Tensor& out, Tensor& lse, Stream& stream);

/// Gradients from the saved out and lse; recomputes the probabilities tile by tile. Sets dq, dk, dv
/// (the head columns only), or adds to them when `accumulate`. Deterministic.
void sdpa_backward(const HeadView& q, const HeadView& k, const HeadView& v, const Tensor& out,
                   const Tensor& lse, const Tensor& dout, const AttentionShape& shape,
                   bool accumulate, const HeadView& dq, const HeadView& dk, const HeadView& dv,
                   Stream& stream);

/// Rotary positions (Su et al., RoFormer; LLaMA pairing: dimension i with i + head_size/2), in
/// place. theta_i = base^(-2i/head_size); row r has position first_position + r % tokens. `inverse`
/// rotates back (the gradient).
void rope(const HeadView& x, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream& stream);

}  // namespace echelon::ops
