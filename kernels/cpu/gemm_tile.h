#pragma once
// The register tile: up to kTileRows x (kTileVecs * kLanes) sums held in registers over all of k.
#include <array>
#include <utility>

#include "kernels/cpu/gemm_simd.h"

namespace kernels::cpu {

inline constexpr int kTileRows = simd::kTileRows;
inline constexpr int kTileColumns = simd::kTileVecs * simd::kLanes;
inline constexpr int kStepsAhead = 8;  // b streams from the second-level cache

struct TileArgs {
  const float* a;  ///< packed: kTileRows values per step
  const float* b;  ///< packed: kTileColumns values per step
  int64_t depth;
  float* c;
  int64_t c_stride;
  int last_lanes;      ///< columns in the last vector, 1 to kLanes
  bool accumulate;     ///< c += sums, else c = sums
  const float* bias;   ///< added as well where not null
  const char* ahead;   ///< fetched into the second-level cache on the way, a line per step
  int64_t ahead_step;  ///< bytes
};

template <int kRows, int kVecs>
void write_tile(const TileArgs& t, const simd::Vec (&sum)[kRows][kVecs]) {
#pragma GCC unroll 8
  for (int j = 0; j < kVecs; ++j) {
    const int lanes = j + 1 < kVecs ? simd::kLanes : t.last_lanes;
    const simd::Vec bias =
        t.bias ? simd::load_first(t.bias + j * simd::kLanes, lanes) : simd::zero();
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      float* c = t.c + i * t.c_stride + j * simd::kLanes;
      simd::Vec value = sum[i][j];
      if (t.accumulate) value = simd::add(simd::load_first(c, lanes), value);
      if (t.bias) value = simd::add(value, bias);
      simd::store_first(c, value, lanes);
    }
  }
}

// c comes from memory while the products run, where it is added to.
template <int kRows, int kVecs>
void fetch_tile(const TileArgs& t) {
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVecs; ++j) {
      __builtin_prefetch(t.c + i * t.c_stride + j * simd::kLanes, 1);
    }
  }
}

template <int kRows, int kVecs>
void run_tile(const TileArgs& t) {
  if (t.accumulate) fetch_tile<kRows, kVecs>(t);
  simd::Vec sum[kRows][kVecs];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVecs; ++j) sum[i][j] = simd::zero();
  }
  const float* a = t.a;
  const float* b = t.b;
  const char* ahead = t.ahead;
  for (int64_t k = 0; k < t.depth; ++k, a += kTileRows, b += kTileColumns) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += t.ahead_step;
    simd::Vec column[kVecs];
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) {
      column[j] = simd::load(b + j * simd::kLanes);
      __builtin_prefetch(b + j * simd::kLanes + kStepsAhead * kTileColumns);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const simd::Vec row = simd::broadcast(a[i]);
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) sum[i][j] = simd::fma(row, column[j], sum[i][j]);
    }
  }
  write_tile<kRows, kVecs>(t, sum);
}

using TileFunction = void (*)(const TileArgs&);

/// The instance for each number of rows and vectors, at [(rows - 1) * kTileVecs + vecs - 1].
template <size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> tile_table(std::index_sequence<kIndex...>) {
  return {run_tile<kIndex / simd::kTileVecs + 1, kIndex % simd::kTileVecs + 1>...};
}
inline constexpr auto kTiles =
    tile_table(std::make_index_sequence<simd::kTileRows * simd::kTileVecs>());

/// Rows and columns within the limits of the register tile.
inline void tile(const TileArgs& args, int64_t rows, int64_t columns) {
  const int64_t vecs = (columns + simd::kLanes - 1) / simd::kLanes;
  TileArgs t = args;
  t.last_lanes = static_cast<int>(columns - (vecs - 1) * simd::kLanes);
  kTiles[static_cast<size_t>((rows - 1) * simd::kTileVecs + vecs - 1)](t);
}

}  // namespace kernels::cpu
