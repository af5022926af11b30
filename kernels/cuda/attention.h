#pragma once
// Scaled dot-product attention of heads that are columns of row-major arrays, and rotary positions.
// f32 arithmetic on tiles in shared memory, no tensor cores: what runs where cuDNN has no plan.
#include "kernels/cpu/philox.h"
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

inline constexpr int64_t kMaxHeadSize = 256;

/// Element (row, head h, dimension d) is data[row*stride + h*head_size + d].
struct Heads {
  void* data;
  int64_t stride;
};

struct AttentionSize {
  int64_t batch, queries, keys, heads, kv_heads, head_size;
  float scale;
  bool causal;
  int64_t query_start, key_start;
  float dropout;
  cpu::PhiloxKey key;
  int64_t first_sequence, first_head, all_heads, total_tokens;
};

/// out is [batch*queries, heads*head_size] of `type`, lse [batch, heads, queries] f32.
void attention_forward(Float type, Heads q, Heads k, Heads v, const AttentionSize& size, void* out,
                       float* lse, Stream stream);
/// Floats of workspace of the backward pass.
int64_t attention_workspace(const AttentionSize& size);
void attention_backward(Float type, Heads q, Heads k, Heads v, const void* out, const float* lse,
                        const void* dout, const AttentionSize& size, bool accumulate, Heads dq,
                        Heads dk, Heads dv, float* workspace, Stream stream);

/// Rotates dimension i with i + head_size/2 by position * base^(-2i/head_size); in place.
void rope(Float type, Heads x, int64_t rows, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream stream);

}  // namespace kernels::cuda
