#pragma once
// Stands in for CUDA's header of this name (see cuda_runtime.h beside it): what the kernels use.
#include <bit>
#include <cstdint>

struct __nv_bfloat16 {
  uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 x) {
  return std::bit_cast<float>(uint32_t{x.bits} << 16);
}
/// To nearest even; NaN becomes the canonical 0x7fff.
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  const auto word = std::bit_cast<uint32_t>(x);
  if (x != x) return {0x7fff};
  return {static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16)};
}
