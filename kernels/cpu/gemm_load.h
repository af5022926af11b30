#pragma once
// Elements of a stored type, widened to f32.
#include <bit>
#include <cstdint>

#include "kernels/cpu/gemm_simd.h"

namespace kernels::cpu {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

inline float widen(float x) { return x; }
inline float widen(Bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }
inline float widen(F16 x) {
  const uint32_t sign = uint32_t{x.bits & 0x8000u} << 16, rest = x.bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest << 13));
  const float scaled = std::bit_cast<float>(rest << 13) * 0x1p112f;  // exact, subnormals included
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

inline simd::Vec load(const float* p) { return simd::load(p); }

#if defined(__AVX512F__)
inline __m256i load_bits(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline simd::Vec load(const Bf16* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_bits(p)), 16));
}
inline simd::Vec load(const F16* p) { return _mm512_cvtph_ps(load_bits(p)); }
#else
template <class T>
simd::Vec load(const T* p) {
  float wide[simd::kLanes];
  for (int i = 0; i < simd::kLanes; ++i) wide[i] = widen(p[i]);
  return simd::load(wide);
}
#endif

}  // namespace kernels::cpu
