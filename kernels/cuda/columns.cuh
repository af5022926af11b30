#pragma once
// Sums over rows, column by column, in two passes of fixed order: no atomics, the same bits always.
#include "kernels/cuda/launch.cuh"

namespace kernels::cuda {

inline constexpr int64_t kChunkRows = 64;
inline constexpr int kTileColumns = 32, kTileRows = 8;

inline int64_t chunks_of(int64_t rows) { return (rows + kChunkRows - 1) / kChunkRows; }

/// partial[chunk][output][column] = sum over the chunk's rows of f(row, column).at[output].
template <class F>
__global__ void column_partials_kernel(F f, int64_t rows, int64_t columns, float* partial) {
  __shared__ float tile[F::kOutputs][kTileRows][kTileColumns];
  const int64_t column = int64_t{blockIdx.x} * kTileColumns + threadIdx.x;
  const int64_t first = int64_t{blockIdx.y} * kChunkRows;
  const int64_t last = first + kChunkRows < rows ? first + kChunkRows : rows;
  float sum[F::kOutputs] = {};
  if (column < columns)
    for (int64_t r = first + threadIdx.y; r < last; r += kTileRows) f.add(r, column, sum);
#pragma unroll
  for (int o = 0; o < F::kOutputs; ++o) tile[o][threadIdx.y][threadIdx.x] = sum[o];
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
#pragma unroll
  for (int o = 0; o < F::kOutputs; ++o) {
    float total = 0.0f;
    for (int y = 0; y < kTileRows; ++y) total += tile[o][y][threadIdx.x];
    partial[(int64_t{blockIdx.y} * F::kOutputs + o) * columns + column] = total;
  }
}

/// dst[column] += sum over chunks, in order, in double.
template <int kOutputs>
__global__ void add_partials_kernel(const float* partial, int64_t chunks, int64_t columns,
                                    float* first, float* second) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= columns * kOutputs) return;
  const int64_t output = i / columns, column = i % columns;
  double sum = 0.0;
  for (int64_t k = 0; k < chunks; ++k)
    sum += static_cast<double>(partial[(k * kOutputs + output) * columns + column]);
  float* const dst = output == 0 ? first : second;
  dst[column] += static_cast<float>(sum);
}

/// `workspace`: chunks_of(rows) * kOutputs * columns floats. `second` only where F has two outputs.
template <class F>
void add_column_sums(const F& f, int64_t rows, int64_t columns, float* first, float* second,
                     float* workspace, Stream stream) {
  if (rows <= 0 || columns <= 0) return;
  const int64_t chunks = chunks_of(rows);
  const dim3 grid(static_cast<unsigned>((columns + kTileColumns - 1) / kTileColumns),
                  static_cast<unsigned>(chunks));
  const dim3 block(kTileColumns, kTileRows);
  ECH_LAUNCH(column_partials_kernel<F>, grid, block, 0, stream, f, rows, columns, workspace);
  const auto blocks = static_cast<unsigned>((columns * F::kOutputs + kThreads - 1) / kThreads);
  ECH_LAUNCH(add_partials_kernel<F::kOutputs>, blocks, kThreads, 0, stream, workspace, chunks,
             columns, first, second);
}

}  // namespace kernels::cuda
