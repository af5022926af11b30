#pragma once
// Launches and dynamic shared memory, spelled so that a C++ compiler can take the same sources: it
// finds another <cuda_runtime.h>, which defines the three macros itself
// (tests/support/cuda_on_cpu).
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/stream.h"

#if defined(__CUDACC__)
/// A kernel with template commas goes into a variable or parentheses first.
#define ECH_LAUNCH(kernel, grid, block, shared, stream, ...) \
  (kernel)<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)
#define ECH_DYNAMIC_SHARED(type, name)                              \
  extern __shared__ __align__(16) unsigned char ech_shared_bytes[]; \
  type* const name = reinterpret_cast<type*>(ech_shared_bytes)
/// Dynamic shared memory beyond 48 KiB has to be asked for. Errors show at the launch.
#define ECH_ALLOW_SHARED(kernel, bytes) \
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes))
#endif

namespace kernels::cuda {

inline constexpr int kThreads = 256;

/// Blocks for a grid-stride loop over `n` items, at most a few waves of a large GPU.
inline unsigned blocks_for(int64_t n) {
  constexpr int64_t kMost = 4096;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

inline bool aligned_to(const void* pointer, size_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

}  // namespace kernels::cuda
