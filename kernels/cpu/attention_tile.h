#pragma once
// Small matrix products on packed tiles, and what the forward and backward tiles share.
#include <cstddef>
#include <memory>
#include <new>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/lanes.h"

namespace kernels::cpu {

/// One small product: c[m][vectors] (+)= sum over k of a(m, k) * b[k][vectors], vectors of 16
/// columns.
struct Product {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  float* c;
  int64_t c_stride;
  int64_t depth;
  bool accumulate;
};

enum class Along { rows, depth };  ///< where the elements of `a` are contiguous

/// kRows x kVectors sums in registers over the whole depth.
template <int kRows, int kVectors, Along kAlong>
inline void product_block(const Product& p) {
  Lanes sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Lanes{};
  const float* a = p.a;
  const float* b = p.b;
  for (int64_t k = 0; k < p.depth; ++k) {
    Lanes column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) column[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Lanes element = broadcast(kAlong == Along::depth ? a[r * p.a_stride] : a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] += element * column[v];
    }
    a += kAlong == Along::depth ? 1 : p.a_stride;
    b += p.b_stride;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* c = p.c + r * p.c_stride + v * kLanes;
      store(c, p.accumulate ? load(c) + sum[r][v] : sum[r][v]);
    }
}

inline constexpr int64_t kBlockRows = 8;

/// Up to 8 rows by 1 or 2 vectors.
template <int kVectors, Along kAlong>
inline void product_rows(const Product& p, int64_t rows) {
  switch (rows) {
    case 8: return product_block<8, kVectors, kAlong>(p);
    case 7: return product_block<7, kVectors, kAlong>(p);
    case 6: return product_block<6, kVectors, kAlong>(p);
    case 5: return product_block<5, kVectors, kAlong>(p);
    case 4: return product_block<4, kVectors, kAlong>(p);
    case 3: return product_block<3, kVectors, kAlong>(p);
    case 2: return product_block<2, kVectors, kAlong>(p);
    case 1: return product_block<1, kVectors, kAlong>(p);
    default: return;
  }
}

/// Depth range of the row block that starts at `row`; an empty one leaves c as it is.
struct DepthRange {
  int64_t from, to;
};

/// All of c[rows][vectors * 16]; `range(row, vector)` says which part of the depth the 8 rows from
/// `row` on and the (up to 2) vectors from `vector` on need.
template <Along kAlong, class Range>
inline void product(const Product& p, int64_t rows, int64_t vectors, const Range& range) {
  for (int64_t v = 0; v < vectors; v += 2)
    for (int64_t r = 0; r < rows; r += kBlockRows) {
      const DepthRange depth = range(r, v);
      if (depth.from >= depth.to) continue;
      Product block = p;
      block.a += kAlong == Along::depth ? r * p.a_stride + depth.from : depth.from * p.a_stride + r;
      block.b += depth.from * p.b_stride + v * kLanes;
      block.c += r * p.c_stride + v * kLanes;
      block.depth = depth.to - depth.from;
      const int64_t count = rows - r < kBlockRows ? rows - r : kBlockRows;
      if (vectors - v >= 2)
        product_rows<2, kAlong>(block, count);
      else
        product_rows<1, kAlong>(block, count);
    }
}

inline int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/// Scratch memory, aligned to a cache line, contents undefined.
class Scratch {
 public:
  explicit Scratch(int64_t floats)
      : data_(static_cast<float*>(
            ::operator new (static_cast<size_t>(floats) * sizeof(float), std::align_val_t{64}))) {}
  float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<float, Free> data_;
};

/// Dropout factors (0 or 1/(1-p)) of queries [query, query + 16*vectors) and keys [key, key +
/// keys): mask[(j*vectors*16) + lane].
void dropout_tile(const AttentionSize& size, int64_t sequence, int64_t head, int64_t query,
                  int64_t vectors, int64_t key, int64_t keys, float* mask);

}  // namespace kernels::cpu
