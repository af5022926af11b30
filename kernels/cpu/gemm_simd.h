#pragma once
// The widest vector of floats this translation unit may use, and the register tile that suits it.
#include <cstdint>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

namespace kernels::cpu::simd {

#if defined(__AVX512F__)

using Vec = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kTileRows =
    8;  // 8 x 3 sums, 3 columns of B and a broadcast: 28 of 32 registers
inline constexpr int kTileVecs = 3;
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline __mmask16 first(int lanes) { return static_cast<__mmask16>((1u << lanes) - 1); }
inline Vec load_first(const float* p, int lanes) { return _mm512_maskz_loadu_ps(first(lanes), p); }
inline void store_first(float* p, Vec v, int lanes) { _mm512_mask_storeu_ps(p, first(lanes), v); }

#elif defined(__AVX2__) && defined(__FMA__)

using Vec = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kTileRows = 4;  // 4 x 3 sums, 3 columns of B and a broadcast: all 16 registers
inline constexpr int kTileVecs = 3;
inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline __m256i first(int lanes) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), index);
}
inline Vec load_first(const float* p, int lanes) { return _mm256_maskload_ps(p, first(lanes)); }
inline void store_first(float* p, Vec v, int lanes) { _mm256_maskstore_ps(p, first(lanes), v); }

#else

struct Vec {
  float x[4];
};
inline constexpr int kLanes = 4;
inline constexpr int kTileRows = 4;
inline constexpr int kTileVecs = 2;
inline Vec broadcast(float x) { return {{x, x, x, x}}; }
inline Vec zero() { return broadcast(0); }
inline Vec load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
inline Vec add(Vec a, Vec b) {
  for (int i = 0; i < kLanes; ++i) a.x[i] += b.x[i];
  return a;
}
inline Vec fma(Vec a, Vec b, Vec c) {
  for (int i = 0; i < kLanes; ++i) c.x[i] += a.x[i] * b.x[i];
  return c;
}
inline void store_first(float* p, Vec v, int lanes) {
  for (int i = 0; i < lanes; ++i) p[i] = v.x[i];
}
inline void store(float* p, Vec v) { store_first(p, v, kLanes); }
inline Vec load_first(const float* p, int lanes) {
  Vec v = zero();
  for (int i = 0; i < lanes; ++i) v.x[i] = p[i];
  return v;
}

#endif

}  // namespace kernels::cpu::simd
