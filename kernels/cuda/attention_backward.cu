// Gradients of attention from the saved lse: one kernel for dq (a block owns queries), one for dk
// and dv (a block owns keys), so that nothing is added by two blocks.
#include "kernels/cuda/attention_tile.cuh"

namespace kernels::cuda {
namespace {

template <class T>
struct Problem {
  HeadRows<const T> q, k, v, dout;
  const float *lse, *delta;
  AttentionSize size;
  bool accumulate;
};

/// delta[b, h, i] = sum over dimensions of out * dout; one warp a row.
template <class T>
__global__ void delta_kernel(const T* out, const T* dout, AttentionSize s, float* delta) {
  const int64_t at = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  const bool mine = at < s.batch * s.heads * s.queries;
  const int64_t b = at / (s.heads * s.queries), h = at / s.queries % s.heads, i = at % s.queries;
  const int64_t base = ((b * s.queries + i) * s.heads + h) * s.head_size;
  float sum = 0.0f;
  if (mine)
    for (int64_t d = threadIdx.x % 32; d < s.head_size; d += 32)
      sum += to_float(out[base + d]) * to_float(dout[base + d]);
  sum = warp_reduce<Add>(sum);
  if (mine && threadIdx.x % 32 == 0) delta[at] = sum;
}

/// Probability and gradient of the score of one pair, from its two products.
struct Pair {
  float probability, kept, gradient;
};
__device__ inline Pair pair_of(const AttentionSize& s, int64_t b, int64_t h, int64_t query,
                               int64_t key, float product, float doutv, const float* lse,
                               const float* delta) {
  if (!sees(s, query, key)) return {0.0f, 0.0f, 0.0f};
  const int64_t row = (b * s.heads + h) * s.queries + query;
  const float p = expf(product * s.scale - lse[row]);
  const float kept = dropout_factor(s, b, h, query, key);
  return {p, kept, p * (doutv * kept - delta[row])};
}

template <class Shape, class T>
__global__ void __launch_bounds__(kSide* kSide)
    query_gradient_kernel(Problem<T> problem, HeadRows<T> dq) {
  ECH_DYNAMIC_SHARED(float, shared);
  const AttentionSize& s = problem.size;
  const auto size = static_cast<int>(s.head_size);
  const int tile = Shape::kRows * (size + 1);
  float *const q_tile = shared, *const dout_tile = q_tile + tile, *const k_tile = dout_tile + tile;
  float *const v_tile = k_tile + tile, *const score = v_tile + tile;
  const int y = static_cast<int>(threadIdx.x) / kSide, x = static_cast<int>(threadIdx.x) % kSide;
  const int64_t q0 = int64_t{blockIdx.x} * Shape::kRows, h = blockIdx.y, b = blockIdx.z;
  const int64_t group = h / (s.heads / s.kv_heads);
  const auto k = head_of(problem.k, b * s.keys, group, s.head_size);
  const auto v = head_of(problem.v, b * s.keys, group, s.head_size);
  load_tile<Shape>(head_of(problem.q, b * s.queries, h, s.head_size), q0, s.queries, s.head_size,
                   q_tile);
  load_tile<Shape>(head_of(problem.dout, b * s.queries, h, s.head_size), q0, s.queries, s.head_size,
                   dout_tile);

  float sum[Shape::kPer][Shape::kSpan] = {};
  const int64_t last = (q0 + Shape::kRows < s.queries ? q0 + Shape::kRows : s.queries) - 1;
  for (int64_t k0 = 0; k0 < s.keys && sees(s, last, k0); k0 += Shape::kRows) {
    load_tile<Shape>(k, k0, s.keys, s.head_size, k_tile);
    load_tile<Shape>(v, k0, s.keys, s.head_size, v_tile);
    __syncthreads();
    float product[Shape::kPer][Shape::kPer], doutv[Shape::kPer][Shape::kPer];
    dot_rows<Shape>(q_tile, k_tile, size, y, x, product);
    dot_rows<Shape>(dout_tile, v_tile, size, y, x, doutv);
#pragma unroll
    for (int i = 0; i < Shape::kPer; ++i)
#pragma unroll
      for (int j = 0; j < Shape::kPer; ++j) {
        const int row = y * Shape::kPer + i, column = x + kSide * j;
        score[row * Shape::kScorePitch + column] =
            pair_of(s, b, h, q0 + row, k0 + column, product[i][j], doutv[i][j], problem.lse,
                    problem.delta)
                .gradient;
      }
    __syncthreads();
    add_weighted<Shape>(score, k_tile, size, y, x, sum);
    __syncthreads();
  }
  store_rows<Shape>(head_of(dq, b * s.queries, h, s.head_size), q0, s.queries, size, y, x,
                    problem.accumulate, s.scale, sum);
}

/// Shared memory of the key kernel.
template <class Shape>
struct KeyTiles {
  float *k, *v, *q, *dout, *probability, *gradient;
  __device__ KeyTiles(float* shared, int size) {
    const int tile = Shape::kRows * (size + 1);
    k = shared, v = k + tile, q = v + tile, dout = q + tile, probability = dout + tile;
    gradient = probability + Shape::kRows * Shape::kScorePitch;
  }
};

/// Adds what the queries of one tile give to the block's keys; rows of the scores are keys.
template <class Shape, class T>
__device__ inline void add_queries(const Problem<T>& problem, const KeyTiles<Shape>& tiles,
                                   int64_t b, int64_t h, int64_t q0, int64_t k0, int y, int x,
                                   float (&dk_sum)[Shape::kPer][Shape::kSpan],
                                   float (&dv_sum)[Shape::kPer][Shape::kSpan]) {
  const AttentionSize& s = problem.size;
  const auto size = static_cast<int>(s.head_size);
  float product[Shape::kPer][Shape::kPer], doutv[Shape::kPer][Shape::kPer];
  dot_rows<Shape>(tiles.k, tiles.q, size, y, x, product);
  dot_rows<Shape>(tiles.v, tiles.dout, size, y, x, doutv);
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i)
#pragma unroll
    for (int j = 0; j < Shape::kPer; ++j) {
      const int row = y * Shape::kPer + i, column = x + kSide * j;
      const Pair pair = pair_of(s, b, h, q0 + column, k0 + row, product[i][j], doutv[i][j],
                                problem.lse, problem.delta);
      tiles.probability[row * Shape::kScorePitch + column] = pair.probability * pair.kept;
      tiles.gradient[row * Shape::kScorePitch + column] = pair.gradient;
    }
  __syncthreads();
  add_weighted<Shape>(tiles.probability, tiles.dout, size, y, x, dv_sum);
  add_weighted<Shape>(tiles.gradient, tiles.q, size, y, x, dk_sum);
}

template <class Shape, class T>
__global__ void __launch_bounds__(kSide* kSide)
    key_gradient_kernel(Problem<T> problem, HeadRows<T> dk, HeadRows<T> dv) {
  ECH_DYNAMIC_SHARED(float, shared);
  const AttentionSize& s = problem.size;
  const auto size = static_cast<int>(s.head_size);
  const KeyTiles<Shape> tiles(shared, size);
  const int y = static_cast<int>(threadIdx.x) / kSide, x = static_cast<int>(threadIdx.x) % kSide;
  const int64_t k0 = int64_t{blockIdx.x} * Shape::kRows, group = blockIdx.y, b = blockIdx.z;
  load_tile<Shape>(head_of(problem.k, b * s.keys, group, s.head_size), k0, s.keys, s.head_size,
                   tiles.k);
  load_tile<Shape>(head_of(problem.v, b * s.keys, group, s.head_size), k0, s.keys, s.head_size,
                   tiles.v);
  float dk_sum[Shape::kPer][Shape::kSpan] = {}, dv_sum[Shape::kPer][Shape::kSpan] = {};
  int64_t first = s.causal ? s.key_start + k0 - s.query_start : 0;
  first = first > 0 ? first / Shape::kRows * Shape::kRows : 0;
  const int64_t heads = s.heads / s.kv_heads;
  for (int64_t h = group * heads; h < (group + 1) * heads; ++h) {
    const auto q = head_of(problem.q, b * s.queries, h, s.head_size);
    const auto dout = head_of(problem.dout, b * s.queries, h, s.head_size);
    for (int64_t q0 = first; q0 < s.queries; q0 += Shape::kRows) {
      load_tile<Shape>(q, q0, s.queries, s.head_size, tiles.q);
      load_tile<Shape>(dout, q0, s.queries, s.head_size, tiles.dout);
      __syncthreads();
      add_queries<Shape>(problem, tiles, b, h, q0, k0, y, x, dk_sum, dv_sum);
      __syncthreads();
    }
  }
  store_rows<Shape>(head_of(dk, b * s.keys, group, s.head_size), k0, s.keys, size, y, x,
                    problem.accumulate, s.scale, dk_sum);
  store_rows<Shape>(head_of(dv, b * s.keys, group, s.head_size), k0, s.keys, size, y, x,
                    problem.accumulate, 1.0f, dv_sum);
}

unsigned tiles_of(int64_t rows, int tile) {
  return static_cast<unsigned>((rows + tile - 1) / tile);
}

}  // namespace

int64_t attention_workspace(const AttentionSize& size) {
  return size.batch * size.heads * size.queries;
}

void attention_backward(Float type, Heads q, Heads k, Heads v, const void* out, const float* lse,
                        const void* dout, const AttentionSize& size, bool accumulate, Heads dq,
                        Heads dk, Heads dv, float* workspace, Stream stream) {
  const int64_t rows = attention_workspace(size);
  const auto heads = static_cast<unsigned>(size.heads), batch = static_cast<unsigned>(size.batch);
  with_type(type, [&](auto kind) {
    with_tile(size.head_size, [&](auto shape) {
      using T = decltype(kind);
      using Shape = decltype(shape);
      const HeadRows<const T> dout_rows{as<T>(dout), size.heads * size.head_size};
      const Problem<T> problem{rows_of<const T>(q),
                               rows_of<const T>(k),
                               rows_of<const T>(v),
                               dout_rows,
                               lse,
                               workspace,
                               size,
                               accumulate};
      if (rows > 0) {
        ECH_LAUNCH(delta_kernel<T>, tiles_of(rows, kThreads / 32), kThreads, 0, stream, as<T>(out),
                   as<T>(dout), size, workspace);
        const auto kernel = query_gradient_kernel<Shape, T>;
        const size_t bytes = shared_bytes<Shape>(size.head_size, 4, 1);
        ECH_ALLOW_SHARED(kernel, bytes);
        const dim3 grid(tiles_of(size.queries, Shape::kRows), heads, batch);
        ECH_LAUNCH(kernel, grid, kSide * kSide, bytes, stream, problem, rows_of<T>(dq));
      }
      if (size.batch <= 0 || size.keys <= 0) return;
      const auto kernel = key_gradient_kernel<Shape, T>;
      const size_t bytes = shared_bytes<Shape>(size.head_size, 4, 2);
      ECH_ALLOW_SHARED(kernel, bytes);
      const dim3 grid(tiles_of(size.keys, Shape::kRows), static_cast<unsigned>(size.kv_heads),
                      batch);
      ECH_LAUNCH(kernel, grid, kSide * kSide, bytes, stream, problem, rows_of<T>(dk),
                 rows_of<T>(dv));
    });
  });
}

}  // namespace kernels::cuda
