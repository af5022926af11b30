#pragma once
// What the forward and backward attention kernels share. A block has 16 x 16 threads; thread (y, x)
// owns rows y*kPer .. of a tile, score columns x, x + 16, ... and dimensions x, x + 16, ...
#include "kernels/cuda/attention.h"
#include "kernels/cuda/block.cuh"
#include "kernels/cuda/philox.cuh"

namespace kernels::cuda {

inline constexpr int kSide = 16;

/// Tiles of kRows queries and as many keys, of heads of up to kDimensions.
template <int kRowsOf, int kDimensionsOf>
struct Tile {
  static constexpr int kRows = kRowsOf;
  static constexpr int kPer = kRows / kSide;
  static constexpr int kSpan = kDimensionsOf / kSide;  ///< dimensions a thread owns, at most
  static constexpr int kScorePitch = kRows + 1;
};
using WideTile = Tile<32, 128>;
using DeepTile = Tile<16, 256>;

/// Bytes of `inputs` tiles of head_size columns and `scores` tiles of scores.
template <class Shape>
size_t shared_bytes(int64_t head_size, int inputs, int scores) {
  const auto pitch = static_cast<size_t>(head_size + 1);
  return sizeof(float) * Shape::kRows *
         (static_cast<size_t>(inputs) * pitch + static_cast<size_t>(scores) * Shape::kScorePitch);
}

/// body(WideTile{}) or body(DeepTile{}).
template <class Body>
void with_tile(int64_t head_size, const Body& body) {
  if (head_size <= 128)
    body(WideTile{});
  else
    body(DeepTile{});
}

/// Rows first .. of head `head`, each head_size long.
template <class T>
struct HeadRows {
  T* data;
  int64_t stride;
  __device__ T* at(int64_t row) const { return data + row * stride; }
};

template <class T>
HeadRows<T> rows_of(Heads x) {
  return {static_cast<T*>(x.data), x.stride};
}
template <class T>
__device__ inline HeadRows<T> head_of(HeadRows<T> x, int64_t first_row, int64_t head,
                                      int64_t head_size) {
  return {x.at(first_row) + head * head_size, x.stride};
}

__device__ inline bool sees(const AttentionSize& s, int64_t query, int64_t key) {
  return query < s.queries && key < s.keys &&
         (!s.causal || s.query_start + query >= s.key_start + key);
}

/// Tile of rows first .. first + kRows; zero beyond `rows`.
template <class Shape, class T>
__device__ inline void load_tile(HeadRows<T> from, int64_t first, int64_t rows, int64_t head_size,
                                 float* tile) {
  const auto size = static_cast<int>(head_size);
  for (int i = static_cast<int>(threadIdx.x); i < Shape::kRows * size; i += kSide * kSide) {
    const int row = i / size, d = i % size;
    tile[row * (size + 1) + d] = first + row < rows ? to_float(from.at(first + row)[d]) : 0.0f;
  }
}

/// sum[i][j] = row (y*kPer + i) of a times row (x + 16*j) of b.
template <class Shape>
__device__ inline void dot_rows(const float* a, const float* b, int head_size, int y, int x,
                                float (&sum)[Shape::kPer][Shape::kPer]) {
  const int pitch = head_size + 1;
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i)
#pragma unroll
    for (int j = 0; j < Shape::kPer; ++j) sum[i][j] = 0.0f;
  for (int d = 0; d < head_size; ++d)
#pragma unroll
    for (int i = 0; i < Shape::kPer; ++i)
#pragma unroll
      for (int j = 0; j < Shape::kPer; ++j)
        sum[i][j] += a[(y * Shape::kPer + i) * pitch + d] * b[(x + kSide * j) * pitch + d];
}

/// sum[i][j] += sum over c of score[y*kPer + i][c] * b[c][x + 16*j].
template <class Shape>
__device__ inline void add_weighted(const float* score, const float* b, int head_size, int y, int x,
                                    float (&sum)[Shape::kPer][Shape::kSpan]) {
  const int pitch = head_size + 1;
  for (int c = 0; c < Shape::kRows; ++c)
#pragma unroll
    for (int j = 0; j < Shape::kSpan; ++j) {
      const int d = x + kSide * j;
      const float element = d < head_size ? b[c * pitch + d] : 0.0f;
#pragma unroll
      for (int i = 0; i < Shape::kPer; ++i)
        sum[i][j] += score[(y * Shape::kPer + i) * Shape::kScorePitch + c] * element;
    }
}

/// Factor of a probability: 1 without dropout, otherwise 0 or 1/(1-p) by its global element.
__device__ inline float dropout_factor(const AttentionSize& s, int64_t b, int64_t h, int64_t query,
                                       int64_t key) {
  if (s.dropout == 0.0f) return 1.0f;
  const int64_t row = ((s.first_sequence + b) * s.all_heads + s.first_head + h) * s.total_tokens +
                      s.query_start + query;
  const auto element = static_cast<uint64_t>(row * s.total_tokens + s.key_start + key);
  const uint32_t word = philox_words(s.key, element / 4).at[element % 4];
  return uniform_of(word) >= s.dropout ? 1.0f / (1.0f - s.dropout) : 0.0f;
}

/// Rows of a thread's sums to memory, set or added.
template <class Shape, class T>
__device__ inline void store_rows(HeadRows<T> to, int64_t first, int64_t rows, int head_size, int y,
                                  int x, bool accumulate, float factor,
                                  const float (&sum)[Shape::kPer][Shape::kSpan]) {
#pragma unroll
  for (int i = 0; i < Shape::kPer; ++i) {
    const int64_t row = first + y * Shape::kPer + i;
    if (row >= rows) continue;
#pragma unroll
    for (int j = 0; j < Shape::kSpan; ++j) {
      const int d = x + kSide * j;
      if (d >= head_size) continue;
      T* const at = to.at(row) + d;
      assign(*at, factor * sum[i][j] + (accumulate ? to_float(*at) : 0.0f));
    }
  }
}

}  // namespace kernels::cuda
