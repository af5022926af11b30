#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_tile.h"

namespace echelon::kernels {
namespace {

// Sums run over kDepth at a time and are added in c in that order, whatever the shape or threads.
constexpr int64_t kDepth = 384;
constexpr int64_t kRows = 1536;     // packed rows of a: kRows x kDepth floats
constexpr int64_t kColumns = 1536;  // packed columns of b
constexpr int64_t kTaskRows = 128;  // what a thread takes at a time stays in its second-level cache
constexpr int64_t kTaskColumns = 384;

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// One block of the product: rows x columns of c over `depth` steps.
struct Block {
  int64_t row, rows, column, columns, step, depth;
};

void pack_a(const Gemm& g, const Block& block, int64_t panel, float* packed) {
  const int64_t row = block.row + panel;
  const int64_t rows = std::min<int64_t>(kTileRows, block.rows - panel);
  float* to = packed + panel * block.depth;
  if (g.a.transposed) {
    pack_copied(g.a.data + block.step * g.a.stride + row, g.a.stride, rows, block.depth, kTileRows,
                to);
  } else {
    pack_transposed(g.a.data + row * g.a.stride + block.step, g.a.stride, rows, block.depth,
                    kTileRows, to);
  }
}

void pack_b(const Gemm& g, const Block& block, int64_t panel, float* packed) {
  const int64_t column = block.column + panel;
  const int64_t columns = std::min<int64_t>(kTileColumns, block.columns - panel);
  float* to = packed + panel * block.depth;
  if (g.b.transposed) {
    pack_transposed(g.b.data + column * g.b.stride + block.step, g.b.stride, columns, block.depth,
                    kTileColumns, to);
  } else {
    pack_copied(g.b.data + block.step * g.b.stride + column, g.b.stride, columns, block.depth,
                kTileColumns, to);
  }
}

// c within [row_from, row_to) x [column_from, column_to) of the block.
void multiply(const Gemm& g, const Block& block, const float* packed_a, const float* packed_b,
              int64_t row_from, int64_t column_from) {
  const int64_t row_to = std::min(row_from + kTaskRows, block.rows);
  const int64_t column_to = std::min(column_from + kTaskColumns, block.columns);
  TileArgs t;
  t.depth = block.depth;
  t.c_stride = g.c_stride;
  t.accumulate = g.accumulate || block.step > 0;
#ifdef ORDER2
  for (int64_t i = row_from; i < row_to; i += kTileRows) {
    for (int64_t j = column_from; j < column_to; j += kTileColumns) {
#else
  for (int64_t j = column_from; j < column_to; j += kTileColumns) {
    for (int64_t i = row_from; i < row_to; i += kTileRows) {
#endif
      t.b = packed_b + j * block.depth;
      t.bias = g.bias && block.step == 0 ? g.bias + block.column + j : nullptr;
      t.a = packed_a + i * block.depth;
      t.c = g.c + (block.row + i) * g.c_stride + block.column + j;
      tile(t, std::min<int64_t>(kTileRows, row_to - i),
           std::min<int64_t>(kTileColumns, column_to - j));
    }
  }
}

// Called by every thread of the team.
void run_block(const Gemm& g, const Block& block, float* packed_a, float* packed_b) {
#pragma omp for schedule(dynamic, 4) nowait
  for (int64_t panel = 0; panel < block.rows; panel += kTileRows) pack_a(g, block, panel, packed_a);
#pragma omp for schedule(dynamic)
  for (int64_t panel = 0; panel < block.columns; panel += kTileColumns) {
    pack_b(g, block, panel, packed_b);
  }
#pragma omp for schedule(dynamic) collapse(2)
  for (int64_t j = 0; j < block.columns; j += kTaskColumns) {
    for (int64_t i = 0; i < block.rows; i += kTaskRows) {
      multiply(g, block, packed_a, packed_b, i, j);
    }
  }
}

size_t packed_a_floats(const Gemm& g) {
  return static_cast<size_t>(round_up(std::min(g.m, kRows), kTileRows) * std::min(g.k, kDepth));
}

size_t packed_b_floats(const Gemm& g) {
  return static_cast<size_t>(round_up(std::min(g.n, kColumns), kTileColumns) *
                             std::min(g.k, kDepth));
}

}  // namespace

size_t gemm_scratch_bytes(const Gemm& g) {
  return (packed_a_floats(g) + 16 + packed_b_floats(g)) * sizeof(float);
}

void gemm(const Gemm& g, float* scratch, int threads) {
  float* packed_a = scratch;
  float* packed_b = scratch + round_up(static_cast<int64_t>(packed_a_floats(g)), 16);
#pragma omp parallel num_threads(threads) if (threads > 1)
  for (int64_t column = 0; column < g.n; column += kColumns) {
    for (int64_t row = 0; row < g.m; row += kRows) {
      for (int64_t step = 0; step < g.k; step += kDepth) {
        run_block(g,
                  {row, std::min(kRows, g.m - row), column, std::min(kColumns, g.n - column), step,
                   std::min(kDepth, g.k - step)},
                  packed_a, packed_b);
      }
    }
  }
}

}  // namespace echelon::kernels
