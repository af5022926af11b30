#pragma once
// Sums and maxima over a warp or a block, in a fixed order. Blocks are whole warps; every thread
// calls and every thread gets the result.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/number.cuh"

namespace kernels::cuda {

struct Add {
  template <class V>
  __device__ static V of(V a, V b) {
    return a + b;
  }
};
struct Larger {
  template <class V>
  __device__ static V of(V a, V b) {
    return a > b ? a : b;
  }
};

/// Over groups of `width` neighbouring lanes.
template <class Op, int width = 32, class V>
__device__ inline V warp_reduce(V value) {
#pragma unroll
  for (int distance = width / 2; distance > 0; distance /= 2)
    value = Op::of(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

template <class Op, class V>
__device__ inline V block_reduce(V value, V neutral) {
  __shared__ V part[32];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  value = warp_reduce<Op>(value);
  __syncthreads();  // the part of an earlier call has been read
  if (lane == 0) part[thread / 32] = value;
  __syncthreads();
  return warp_reduce<Op>(lane < static_cast<int>(blockDim.x) / 32 ? part[lane] : neutral);
}

template <int kN>
struct Width {
  static constexpr int value = kN;
};

/// body(column, Width<4> or Width<1>) for the columns of this thread; packed needs columns % 4 ==
/// 0.
template <class Body>
__device__ inline void for_row(int64_t columns, bool packed, const Body& body) {
  if (packed)
    for (int64_t c = threadIdx.x * int64_t{4}; c < columns; c += blockDim.x * int64_t{4})
      body(c, Width<4>{});
  else
    for (int64_t c = threadIdx.x; c < columns; c += blockDim.x) body(c, Width<1>{});
}

/// Threads for a row: whole warps, four columns a thread, at most kThreads.
inline unsigned threads_for(int64_t columns) {
  const int64_t wanted = (columns + 127) / 128 * 32;
  return static_cast<unsigned>(wanted < 32 ? 32 : (wanted < kThreads ? wanted : kThreads));
}

template <class... T>
bool rows_packed(int64_t columns, const T*... pointers) {
  return columns % 4 == 0 && (aligned_to(pointers, sizeof(T) * 4) && ...);
}

}  // namespace kernels::cuda
