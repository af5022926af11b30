#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_tile.h"

namespace kernels::cpu {
namespace {

constexpr int64_t kMaxDepth = 384;  // a panel of a stays in the first-level cache
constexpr int64_t kColumnsBytes = int64_t{1200}
                                  << 10;  // packed columns of b stay in the second-level cache
constexpr int64_t kTaskRows = 32;         // what a thread takes at a time
constexpr int64_t kPackPanels = 2;

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// How the product is cut. It depends on the shape alone: sums run over `depth` steps at a time and
// are added to c in order of k, so neither threads nor the place of a tile change a result.
struct Cut {
  int64_t depth, columns;
};

Cut cut_of(const Gemm& g) {
  if (g.n == 0 || g.k == 0) return {1, 1};
  const int64_t steps = (g.k + kMaxDepth - 1) / kMaxDepth;
  const int64_t depth = std::min(round_up((g.k + steps - 1) / steps, 16), g.k);
  const int64_t most = kColumnsBytes / 4 / depth / kTileColumns * kTileColumns;
  const int64_t blocks = (g.n + most - 1) / most;
  return {depth, round_up((g.n + blocks - 1) / blocks, kTileColumns)};
}

struct Block {
  int64_t column, columns, step, depth;
};

void add_row_sums(const float* panel, int64_t rows, int64_t depth, float* sums) {
  float total[kTileRows] = {};
  for (int64_t k = 0; k < depth; ++k, panel += kTileRows) {
    for (int i = 0; i < kTileRows; ++i) total[i] += panel[i];
  }
  for (int64_t i = 0; i < rows; ++i) sums[i] += total[i];
}

// Rows [row, row + rows) of c, all columns and steps of the block.
void multiply(const Gemm& g, const Block& block, const float* packed_b, int64_t row, int64_t rows) {
  alignas(64) float packed_a[kTaskRows * kMaxDepth];
  pack_rows(g.a, {row, rows, block.step, block.depth}, packed_a);
  TileArgs t;
  t.depth = block.depth;
  t.c_stride = g.c_stride;
  t.accumulate = g.accumulate || block.step > 0;
  for (int64_t i = 0; i < rows; i += kTileRows) {
    const int64_t tile_rows = std::min<int64_t>(kTileRows, rows - i);
    t.a = packed_a + i * block.depth;
    if (g.row_sums && block.column == 0) {
      add_row_sums(t.a, tile_rows, block.depth, g.row_sums + row + i);
    }
    for (int64_t j = 0; j < block.columns; j += kTileColumns) {
      t.b = packed_b + j * block.depth;
      t.c = g.c + (row + i) * g.c_stride + block.column + j;
      t.bias = g.bias && block.step == 0 ? g.bias + block.column + j : nullptr;
      tile(t, tile_rows, std::min<int64_t>(kTileColumns, block.columns - j));
    }
  }
}

// Called by every thread of the team; both loops end with a barrier.
void run_block(const Gemm& g, const Block& block, float* packed_b) {
  constexpr int64_t kPack = kPackPanels * kTileColumns;
#pragma omp for schedule(dynamic)
  for (int64_t j = 0; j < block.columns; j += kPack) {
    const int64_t columns = std::min(kPack, block.columns - j);
    pack_columns(g.b, {block.column + j, columns, block.step, block.depth},
                 packed_b + j * block.depth);
  }
#pragma omp for schedule(dynamic)
  for (int64_t i = 0; i < g.m; i += kTaskRows) {
    multiply(g, block, packed_b, i, std::min(kTaskRows, g.m - i));
  }
}

}  // namespace

size_t gemm_scratch_bytes(const Gemm& problem) {
  const Cut cut = cut_of(problem);
  return static_cast<size_t>(cut.depth * cut.columns) * sizeof(float);
}

void gemm(const Gemm& g, float* scratch, int threads) {
  if (g.m == 0 || g.n == 0) return;
  const Cut cut = cut_of(g);
  const bool worth = g.m * g.n * g.k > int64_t{1} << 18;  // below, starting a team takes longer
#pragma omp parallel num_threads(threads) if (worth && threads > 1)
  for (int64_t column = 0; column < g.n; column += cut.columns) {
    for (int64_t step = 0; step < g.k; step += cut.depth) {
      run_block(
          g, {column, std::min(cut.columns, g.n - column), step, std::min(cut.depth, g.k - step)},
          scratch);
    }
  }
}

}  // namespace kernels::cpu
