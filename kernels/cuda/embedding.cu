#include "kernels/cuda/embedding.h"

#include "kernels/cuda/each.cuh"

namespace kernels::cuda {
namespace {

template <class T>
struct Lookup {
  static constexpr int kPack = 4;
  const int32_t* tokens;
  const float* table;
  int64_t first_row, table_rows, columns;
  T* y;
  template <int kN>
  __device__ void run(int64_t i) const {
    const int64_t row = tokens[i / columns] - first_row;
    Values<kN> v{};
    if (row >= 0 && row < table_rows) v = load<kN>(table + row * columns + i % columns);
    store(y + i, v);
  }
};

template <class T>
struct AddPosition {
  static constexpr int kPack = 4;
  const float* table;
  int64_t tokens, first_position, columns;
  T* y;
  template <int kN>
  __device__ void run(int64_t i) const {
    const int64_t row = first_position + i / columns % tokens;
    Values<kN> v = load<kN>(y + i);
    const Values<kN> p = load<kN>(table + row * columns + i % columns);
    for (int k = 0; k < kN; ++k) v.at[k] += p.at[k];
    store(y + i, v);
  }
};

/// One element of the table, its rows of dy in order.
template <class T>
struct PositionGradient {
  static constexpr int kPack = 1;
  const T* dy;
  int64_t tokens, sequences, columns;
  float* dtable;
  template <int kN>
  __device__ void run(int64_t i) const {
    float sum = dtable[i];
    for (int64_t s = 0; s < sequences; ++s) sum += to_float(dy[s * tokens * columns + i]);
    dtable[i] = sum;
  }
};

/// Block r does the work of its token if r is the token's first row: it adds that row and all later
/// ones in order. Scanning the tokens costs rows^2/2 comparisons, little beside rows*columns sums,
/// and needs neither atomics nor sorting.
template <class T>
__global__ void scatter_kernel(const int32_t* tokens, const T* dy, int64_t first_row,
                               int64_t table_rows, float* dtable, int64_t rows, int64_t columns) {
  __shared__ unsigned found[kThreads / 32];
  const int64_t own = blockIdx.x;
  const int32_t token = tokens[own];
  const int64_t row = token - first_row;
  if (row < 0 || row >= table_rows) return;
  int earlier = 0;
  for (int64_t r = threadIdx.x; r < own; r += blockDim.x) earlier |= tokens[r] == token;
  if (__syncthreads_or(earlier)) return;
  float* const target = dtable + row * columns;
  for (int64_t base = own; base < rows; base += kThreads) {
    const int64_t r = base + threadIdx.x;
    const unsigned mask = __ballot_sync(0xffffffffu, r < rows && tokens[r] == token);
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = mask;
    __syncthreads();
    for (int warp = 0; warp < kThreads / 32; ++warp)
      for (unsigned left = found[warp]; left != 0; left &= left - 1) {
        const T* const from = dy + (base + warp * 32 + __ffs(static_cast<int>(left)) - 1) * columns;
        for (int64_t c = threadIdx.x; c < columns; c += blockDim.x) target[c] += to_float(from[c]);
      }
    __syncthreads();
  }
}

}  // namespace

void embedding_forward(Float type, const int32_t* tokens, const float* table, int64_t first_row,
                       int64_t table_rows, void* y, int64_t rows, int64_t columns, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const Lookup<T> f{tokens, table, first_row, table_rows, columns, as<T>(y)};
    each(f, rows * columns, columns, stream, f.table, f.y);
  });
}

void embedding_backward(Float type, const int32_t* tokens, const void* dy, int64_t first_row,
                        int64_t table_rows, float* dtable, int64_t rows, int64_t columns,
                        Stream stream) {
  if (rows <= 0) return;
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    ECH_LAUNCH(scatter_kernel<T>, static_cast<unsigned>(rows), kThreads, 0, stream, tokens,
               as<T>(dy), first_row, table_rows, dtable, rows, columns);
  });
}

void position_add(Float type, const float* table, int64_t tokens, int64_t first_position, void* y,
                  int64_t rows, int64_t columns, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const AddPosition<T> f{table, tokens, first_position, columns, as<T>(y)};
    each(f, rows * columns, columns, stream, f.table, f.y);
  });
}

void position_backward(Float type, const void* dy, int64_t tokens, int64_t first_position,
                       float* dtable, int64_t rows, int64_t columns, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const PositionGradient<T> f{as<T>(dy), tokens, rows / tokens, columns,
                                dtable + first_position * columns};
    each(f, tokens * columns, columns, stream, f.dy);
  });
}

}  // namespace kernels::cuda
