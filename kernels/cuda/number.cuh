#pragma once
// Elements as f32 in registers, in any storage type in memory; several at a time.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/launch.cuh"

namespace kernels::cuda {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_float(__half x) { return __half2float(x); }

__device__ inline void assign(float& to, float x) { to = x; }
__device__ inline void assign(__nv_bfloat16& to, float x) { to = __float2bfloat16_rn(x); }
__device__ inline void assign(__half& to, float x) { to = __float2half_rn(x); }

/// kN neighbours, moved by one access of up to 16 bytes.
template <class T, int kN>
struct alignas(sizeof(T) * kN) Pack {
  T at[kN];
};

template <int kN>
struct Values {
  float at[kN];
};

template <int kN, class T>
__device__ inline Values<kN> load(const T* from) {
  const Pack<T, kN> pack = *reinterpret_cast<const Pack<T, kN>*>(from);
  Values<kN> values;
#pragma unroll
  for (int i = 0; i < kN; ++i) values.at[i] = to_float(pack.at[i]);
  return values;
}

template <int kN, class T>
__device__ inline void store(T* to, const Values<kN>& values) {
  Pack<T, kN> pack;
#pragma unroll
  for (int i = 0; i < kN; ++i) assign(pack.at[i], values.at[i]);
  *reinterpret_cast<Pack<T, kN>*>(to) = pack;
}

/// body(T{}) with the storage type of `type`.
template <class Body>
void with_type(Float type, const Body& body) {
  switch (type) {
    case Float::f32: return body(float{});
    case Float::bf16: return body(__nv_bfloat16{});
    case Float::f16: return body(__half{});
  }
}

template <class T>
const T* as(const void* pointer) {
  return static_cast<const T*>(pointer);
}
template <class T>
T* as(void* pointer) {
  return static_cast<T*>(pointer);
}

}  // namespace kernels::cuda
