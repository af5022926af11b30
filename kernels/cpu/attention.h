#pragma once
// Scaled dot-product attention of heads that are columns of row-major arrays, and rotary positions.
#include <cstdint>

#include "kernels/cpu/philox.h"

namespace kernels::cpu {

/// Element (row, head h, dimension d) is data[row*stride + h*head_size + d].
struct Heads {
  float* data;
  int64_t stride;
};

struct AttentionSize {
  int64_t batch, queries, keys, heads, kv_heads, head_size;
  float scale;
  bool causal;
  int64_t query_start, key_start;
  float dropout;
  PhiloxKey key;
  int64_t first_sequence, first_head, all_heads, total_tokens;

  /// Keys that query `i` sees.
  int64_t seen(int64_t i) const {
    if (!causal) return keys;
    const int64_t n = query_start + i - key_start + 1;
    return n < 0 ? 0 : (n < keys ? n : keys);
  }
  /// Query first + l sees key k + j iff l >= first_lane(first, k) + j.
  int64_t first_lane(int64_t first, int64_t k) const {
    return causal ? key_start + k - query_start - first : -queries - keys;
  }
  /// Element of the dropout stream of (sequence b, head h, query i, key 0).
  uint64_t dropout_row(int64_t b, int64_t h, int64_t i) const {
    const int64_t row =
        ((first_sequence + b) * all_heads + first_head + h) * total_tokens + query_start + i;
    return static_cast<uint64_t>(row * total_tokens + key_start);
  }
};

/// out is [batch*queries, heads*head_size], lse [batch, heads, queries].
void attention_forward(Heads q, Heads k, Heads v, const AttentionSize& size, float* out,
                       float* lse);
void attention_backward(Heads q, Heads k, Heads v, const float* out, const float* lse,
                        const float* dout, const AttentionSize& size, bool accumulate, Heads dq,
                        Heads dk, Heads dv);

/// Rotates dimension i with i + head_size/2 by position * base^(-2i/head_size); in place.
void rope(Heads x, int64_t rows, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse);

}  // namespace kernels::cpu
