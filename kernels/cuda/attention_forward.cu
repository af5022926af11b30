#include "kernels/cuda/attention_tile.cuh"

namespace kernels::cuda {
namespace {

__device__ inline float minus_infinity() { return __int_as_float(static_cast<int>(0xff800000u)); }

/// Running maximum and sum of a thread's rows (online softmax: Milakov and Gimelshein 2018).
template <class Shape>
struct RowState {
  float max[Shape::kPer], sum[Shape::kPer];
};

/// Scores become exp(score - new maximum), times the dropout factor in `score`; earlier sums
/// shrink.
template <class Shape>
__device__ inline void soften(const AttentionSize& s, int64_t b, int64_t h, int64_t q0, int64_t k0,
                              int y, int x, float (&product)[Shape::kPer][Shape::kPer],
                              RowState<Shape>& state, float (&out)[Shape::kPer][Shape::kSpan],
                              float* score) {
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i) {
    const int64_t query = q0 + y * Shape::kPer + i;
    float most = minus_infinity();
#pragma unroll
    for (int j = 0; j < Shape::kPer; ++j) {
      const bool seen = sees(s, query, k0 + x + kSide * j);
      product[i][j] = seen ? product[i][j] * s.scale : minus_infinity();
      most = Larger::of(most, product[i][j]);
    }
    most = Larger::of(warp_reduce<Larger, kSide>(most), state.max[i]);
    const bool nothing = most == minus_infinity();
    const float shrink = nothing ? 1.0f : expf(state.max[i] - most);
    float total = 0.0f;
#pragma unroll
    for (int j = 0; j < Shape::kPer; ++j) {
      const int column = x + kSide * j;
      const float p = nothing ? 0.0f : expf(product[i][j] - most);
      total += p;
      const float kept = p > 0.0f ? dropout_factor(s, b, h, query, k0 + column) : 0.0f;
      score[(y * Shape::kPer + i) * Shape::kScorePitch + column] = p * kept;
    }
    state.sum[i] = state.sum[i] * shrink + warp_reduce<Add, kSide>(total);
    state.max[i] = most;
#pragma unroll
    for (int j = 0; j < Shape::kSpan; ++j) out[i][j] *= shrink;
  }
}

template <class Shape, class T>
__global__ void __launch_bounds__(kSide* kSide)
    forward_kernel(HeadRows<const T> q, HeadRows<const T> k, HeadRows<const T> v, AttentionSize s,
                   HeadRows<T> out, float* lse) {
  ECH_DYNAMIC_SHARED(float, shared);
  const auto size = static_cast<int>(s.head_size);
  const int tile = Shape::kRows * (size + 1);
  float *const q_tile = shared, *const k_tile = q_tile + tile, *const v_tile = k_tile + tile;
  float* const score = v_tile + tile;
  const int y = static_cast<int>(threadIdx.x) / kSide, x = static_cast<int>(threadIdx.x) % kSide;
  const int64_t q0 = int64_t{blockIdx.x} * Shape::kRows, h = blockIdx.y, b = blockIdx.z;
  const int64_t group = h / (s.heads / s.kv_heads);
  q = head_of(q, b * s.queries, h, s.head_size);
  k = head_of(k, b * s.keys, group, s.head_size);
  v = head_of(v, b * s.keys, group, s.head_size);
  load_tile<Shape>(q, q0, s.queries, s.head_size, q_tile);

  RowState<Shape> state;
  float sum[Shape::kPer][Shape::kSpan] = {};
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i) state.max[i] = minus_infinity(), state.sum[i] = 0.0f;
  const int64_t last = (q0 + Shape::kRows < s.queries ? q0 + Shape::kRows : s.queries) - 1;
  for (int64_t k0 = 0; k0 < s.keys && sees(s, last, k0); k0 += Shape::kRows) {
    load_tile<Shape>(k, k0, s.keys, s.head_size, k_tile);
    load_tile<Shape>(v, k0, s.keys, s.head_size, v_tile);
    __syncthreads();
    float product[Shape::kPer][Shape::kPer];
    dot_rows<Shape>(q_tile, k_tile, size, y, x, product);
    soften<Shape>(s, b, h, q0, k0, y, x, product, state, sum, score);
    __syncthreads();
    add_weighted<Shape>(score, v_tile, size, y, x, sum);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i) {
    const int64_t query = q0 + y * Shape::kPer + i;
    const float inverse = state.sum[i] > 0.0f ? 1.0f / state.sum[i] : 0.0f;
#pragma unroll
    for (int j = 0; j < Shape::kSpan; ++j) sum[i][j] *= inverse;
    if (x == 0 && query < s.queries)
      lse[(b * s.heads + h) * s.queries + query] = state.max[i] + logf(state.sum[i]);
  }
  store_rows<Shape>(head_of(out, b * s.queries, h, s.head_size), q0, s.queries, size, y, x, false,
                    1.0f, sum);
}

}  // namespace

void attention_forward(Float type, Heads q, Heads k, Heads v, const AttentionSize& size, void* out,
                       float* lse, Stream stream) {
  if (size.batch <= 0 || size.queries <= 0) return;
  with_type(type, [&](auto kind) {
    with_tile(size.head_size, [&](auto shape) {
      using T = decltype(kind);
      using Shape = decltype(shape);
      const auto kernel = forward_kernel<Shape, T>;
      const size_t bytes = shared_bytes<Shape>(size.head_size, 3, 1);
      ECH_ALLOW_SHARED(kernel, bytes);
      const dim3 grid(static_cast<unsigned>((size.queries + Shape::kRows - 1) / Shape::kRows),
                      static_cast<unsigned>(size.heads), static_cast<unsigned>(size.batch));
      const HeadRows<T> to{static_cast<T*>(out), size.heads * size.head_size};
      ECH_LAUNCH(kernel, grid, kSide * kSide, bytes, stream, rows_of<const T>(q),
                 rows_of<const T>(k), rows_of<const T>(v), size, to, lse);
    });
  });
}

}  // namespace kernels::cuda
