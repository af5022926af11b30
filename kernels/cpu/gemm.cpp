#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_tile.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace kernels::cpu {
namespace {

constexpr int64_t kMaxDepth = 384;         // a panel of a and a few steps of b: first-level cache
constexpr int64_t kPackedBytes = 1200000;  // packed columns of b: second-level cache, with room
constexpr int64_t kMaxRows = 4096;  // of a task: c is in the last-level cache for the next step
constexpr int64_t kMaxGroup = 64;   // rows packed at a time

int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
int64_t round_up(int64_t x, int64_t step) { return ceil_div(x, step) * step; }

// A task is rows x columns of c over all of k, `depth` steps at a time. Each sum is taken over
// `depth` steps and added to c in order of k; `depth` follows from k alone, so that neither threads
// nor the place of an element in its tile or task change a bit of it.
struct Cut {
  int64_t depth, rows, columns;
};

// Time of the whole in multiply-adds. Packing an element of a or b was measured at these many.
double estimate(const Gemm& g, const Cut& cut, int threads) {
  constexpr double kPackA = 9, kPackB = 25, kUnevenCores = 0.1;
  const double rows = static_cast<double>(cut.rows), columns = static_cast<double>(cut.columns);
  const int64_t tasks = ceil_div(g.m, cut.rows) * ceil_div(g.n, cut.columns);
  const double turns = static_cast<double>(ceil_div(tasks, threads)) + kUnevenCores;
  return turns * (rows * columns + kPackA * rows + kPackB * columns);
}

Cut cut_of(const Gemm& g, int threads) {
  const int64_t depth = std::min(round_up(ceil_div(g.k, ceil_div(g.k, kMaxDepth)), 16), g.k);
  const int64_t most = kPackedBytes / 4 / depth / kTileColumns * kTileColumns;
  const int64_t row_parts = ceil_div(g.m, kMaxRows), column_parts = ceil_div(g.n, most);
  const int more = threads == 1 ? 0 : 15;
  Cut best{};
  double least = 0;
  for (int64_t r = row_parts; r <= row_parts + more; ++r) {
    for (int64_t c = column_parts; c <= column_parts + more; ++c) {
      const Cut cut{depth, round_up(ceil_div(g.m, r), kTileRows),
                    round_up(ceil_div(g.n, c), kTileColumns)};
      const double time = estimate(g, cut, threads);
      if (best.depth == 0 || time < least) {
        best = cut;
        least = time;
      }
    }
  }
  return best;
}

// Below this, starting a team takes longer than the product.
int useful_threads(const Gemm& g, int threads) {
  return g.m * g.n * g.k < int64_t{1} << 19 ? 1 : threads;
}

struct Block {
  int64_t row, rows, column, columns, step, depth;
};

// The memory a later packing of a reads, dealt out to tiles: each fetches one line per step.
class Ahead {
 public:
  Ahead(const GemmOperand& a, const PackBlock& block) {
    const int64_t size = a.type == Float::f32 ? 4 : 2, stride = a.stride * size;
    first_ = static_cast<const char*>(a.data);
    if (a.transposed) {
      first_ += block.step * stride + block.line * size;
      parts_ = ceil_div(block.count * size, kLine);
      part_ = kLine;
      step_ = stride;
    } else {
      first_ += block.line * stride + block.step * size;
      parts_ = block.count;
      part_ = stride;
      step_ = size;
    }
  }
  void next(TileArgs& t) {
    const bool any = done_ < parts_;
    t.ahead = any ? first_ + done_++ * part_ : reinterpret_cast<const char*>(t.a);
    t.ahead_step = any ? step_ : 0;
  }

 private:
  static constexpr int64_t kLine = 64;
  const char* first_;
  int64_t parts_, part_, step_, done_ = 0;
};

void add_row_sums(const float* panel, int64_t rows, int64_t depth, float* sums) {
  float total[kTileRows] = {};
  for (int64_t k = 0; k < depth; ++k, panel += kTileRows) {
    for (int i = 0; i < kTileRows; ++i) total[i] += panel[i];
  }
  for (int64_t i = 0; i < rows; ++i) sums[i] += total[i];
}

// Rows [row, row + rows) of the block, at most kMaxGroup.
void multiply_group(const Gemm& g, const Block& block, const float* packed_b, int64_t row,
                    int64_t rows) {
  alignas(64) float packed_a[kMaxGroup * kMaxDepth];
  pack_rows(g.a, {row, rows, block.step, block.depth}, packed_a);
  const int64_t after = row + rows, later = std::min(rows, block.row + block.rows - after);
  Ahead ahead(g.a, {after, later, block.step, block.depth});
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
      ahead.next(t);
      tile(t, tile_rows, std::min<int64_t>(kTileColumns, block.columns - j));
    }
  }
}

void run_task(const Gemm& g, Block block, int64_t max_depth, float* packed_b) {
  const int64_t group = g.a.transposed ? kMaxGroup : kMaxGroup / 2;
  for (block.step = 0; block.step < g.k; block.step += max_depth) {
    block.depth = std::min(max_depth, g.k - block.step);
    pack_columns(g.b, {block.column, block.columns, block.step, block.depth}, packed_b);
    for (int64_t i = 0; i < block.rows; i += group) {
      multiply_group(g, block, packed_b, block.row + i, std::min(group, block.rows - i));
    }
  }
}

int64_t packed_floats(const Cut& cut) { return round_up(cut.depth * cut.columns, 16); }

int thread_index() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

}  // namespace

size_t gemm_scratch_bytes(const Gemm& g, int threads) {
  if (g.m == 0 || g.n == 0 || g.k == 0) return 0;
  const int used = useful_threads(g, threads);
  return static_cast<size_t>(used * packed_floats(cut_of(g, used))) * sizeof(float);
}

void gemm(const Gemm& g, float* scratch, int threads) {
  if (g.m == 0 || g.n == 0 || g.k == 0) return;
  const int used = useful_threads(g, threads);
  const Cut cut = cut_of(g, used);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(used) if (used > 1)
  for (int64_t column = 0; column < g.n; column += cut.columns) {
    for (int64_t row = 0; row < g.m; row += cut.rows) {
      const Block block{
          row, std::min(cut.rows, g.m - row), column, std::min(cut.columns, g.n - column), 0, 0};
      run_task(g, block, cut.depth, scratch + thread_index() * packed_floats(cut));
    }
  }
}

}  // namespace kernels::cpu
