#pragma once
// Stands in for CUDA's header of this name when kernels/cuda/*.cu are compiled as C++: a block's
// threads are fibers that yield at barriers and warp exchanges; blocks run one after the other.
// Barriers and exchanges want every thread of the block or warp, which is stricter than the device.
#include <math.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __shared__ static  // one block at a time: static is shared by its threads

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned to_x = 1, unsigned to_y = 1, unsigned to_z = 1)
      : x(to_x), y(to_y), z(to_z) {}
};

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace cuda_on_cpu {

/// In which order the threads of a block run between two barriers. What a kernel computes must not
/// depend on it: a forgotten barrier shows in one of the orders.
enum class Order { ascending, descending };
void set_order(Order order);

/// Runs `thread` for every thread of every block. Throws std::runtime_error when threads wait for
/// others that never come, or for a launch that a device would refuse.
void launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread);

/// Dynamic shared memory of the running block, all bits set when the block starts.
void* dynamic_shared();
void block_barrier();
/// All lanes of the calling thread's warp exchange a word; returns their words by lane.
const uint64_t* exchange(uint64_t word);
/// True if any thread of the block said so.
bool block_any(bool mine);

template <class V>
V shuffle_xor(V value, int distance) {
  static_assert(sizeof(V) <= sizeof(uint64_t));
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  const unsigned lane = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
  word = exchange(word)[lane ^ static_cast<unsigned>(distance)];
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace cuda_on_cpu

#define ECH_LAUNCH(kernel, grid, block, shared, stream, ...) \
  (static_cast<void>(stream),                                \
   ::cuda_on_cpu::launch((grid), (block), (shared), [&] { (kernel)(__VA_ARGS__); }))
#define ECH_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::cuda_on_cpu::dynamic_shared())
#define ECH_ALLOW_SHARED(kernel, bytes) static_cast<void>(kernel), static_cast<void>(bytes)

inline void __syncthreads() { cuda_on_cpu::block_barrier(); }
inline int __syncthreads_or(int predicate) { return cuda_on_cpu::block_any(predicate != 0); }
template <class V>
V __shfl_xor_sync(unsigned, V value, int distance) {
  return cuda_on_cpu::shuffle_xor(value, distance);
}
inline unsigned __ballot_sync(unsigned, bool predicate) {
  const uint64_t* const words = cuda_on_cpu::exchange(predicate);
  unsigned mask = 0;
  for (unsigned lane = 0; lane < 32; ++lane) mask |= static_cast<unsigned>(words[lane]) << lane;
  return mask;
}
inline int __ffs(int word) { return __builtin_ffs(word); }
inline float __int_as_float(int word) { return std::bit_cast<float>(word); }
