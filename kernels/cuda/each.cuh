#pragma once
// One functor over a flat range: packs of F::kPack elements where every pointer allows it.
#include "kernels/cuda/number.cuh"

namespace kernels::cuda {

template <class F>
__global__ void each_kernel(F f, int64_t n, int64_t packs) {
  const int64_t first = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t p = first; p < packs; p += stride) f.template run<F::kPack>(p * F::kPack);
  for (int64_t i = packs * F::kPack + first; i < n; i += stride) f.template run<1>(i);
}

/// F has kPack and `template <int kN> __device__ void run(int64_t i) const` for elements i .. i+kN.
/// `group`: packs must not straddle multiples of it.
template <class F, class... T>
void each(const F& f, int64_t n, int64_t group, Stream stream, const T*... pointers) {
  if (n <= 0) return;
  const bool packed = group % F::kPack == 0 && (aligned_to(pointers, sizeof(T) * F::kPack) && ...);
  const int64_t packs = packed ? n / F::kPack : 0;
  ECH_LAUNCH(each_kernel<F>, blocks_for(packs > 0 ? packs : n), kThreads, 0, stream, f, n, packs);
}

}  // namespace kernels::cuda
