#include "kernels/cpu/gemm_pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/gemm_simd.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12 warns inside its own avx512fintrin.h
#endif

namespace echelon::kernels {
namespace {

void transpose_plain(const float* src, int64_t stride, int64_t rows, int64_t depth, int width,
                     float* dst) {
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < rows; ++i) dst[k * width + i] = src[i * stride + k];
  }
}

#if defined(__AVX512F__)

// Eight rows of sixteen values become sixteen steps of eight.
void transpose_8x16(const float* src, int64_t stride, int width, float* dst) {
  __m512 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    const __m512 even = _mm512_loadu_ps(src + i * stride);
    const __m512 odd = _mm512_loadu_ps(src + (i + 1) * stride);
    t[i] = _mm512_unpacklo_ps(even, odd);
    t[i + 1] = _mm512_unpackhi_ps(even, odd);
  }
  // u[s] holds, in its 128-bit lane q, step 4q+s of rows 0-3; u[4+s] the same of rows 4-7.
  for (int h = 0; h < 2; ++h) {
    for (int s = 0; s < 2; ++s) {
      const __m512d low = _mm512_castps_pd(t[4 * h + s]);
      const __m512d high = _mm512_castps_pd(t[4 * h + 2 + s]);
      u[4 * h + 2 * s] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      u[4 * h + 2 * s + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  const __m512i lanes01 = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i lanes23 = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int s = 0; s < 4; ++s) {
    const __m512d rows03 = _mm512_castps_pd(u[s]), rows47 = _mm512_castps_pd(u[4 + s]);
    const __m512d a = _mm512_permutex2var_pd(rows03, lanes01, rows47);
    const __m512d b = _mm512_permutex2var_pd(rows03, lanes23, rows47);
    _mm256_storeu_ps(dst + s * width, _mm256_castpd_ps(_mm512_castpd512_pd256(a)));
    _mm256_storeu_ps(dst + (4 + s) * width, _mm256_castpd_ps(_mm512_extractf64x4_pd(a, 1)));
    _mm256_storeu_ps(dst + (8 + s) * width, _mm256_castpd_ps(_mm512_castpd512_pd256(b)));
    _mm256_storeu_ps(dst + (12 + s) * width, _mm256_castpd_ps(_mm512_extractf64x4_pd(b, 1)));
  }
}

#endif

}  // namespace

void pack_transposed(const float* src, int64_t stride, int64_t rows, int64_t depth, int width,
                     float* dst) {
  int64_t row = 0;
#if defined(__AVX512F__)
  const int64_t whole = depth / 16 * 16;
  for (; row + 8 <= rows; row += 8) {
    const float* from = src + row * stride;
    for (int64_t k = 0; k < whole; k += 16) {
      transpose_8x16(from + k, stride, width, dst + k * width + row);
    }
    transpose_plain(from + whole, stride, 8, depth - whole, width, dst + whole * width + row);
  }
#endif
  transpose_plain(src + row * stride, stride, rows - row, depth, width, dst + row);
  if (rows == width) return;
  for (int64_t k = 0; k < depth; ++k) std::fill(dst + k * width + rows, dst + (k + 1) * width, 0.f);
}

void pack_copied(const float* src, int64_t stride, int64_t columns, int64_t depth, int width,
                 float* dst) {
  for (int64_t k = 0; k < depth; ++k) {
    const float* from = src + k * stride;
    float* to = dst + k * width;
    int64_t i = 0;
    for (; i + simd::kLanes <= columns; i += simd::kLanes)
      simd::store(to + i, simd::load(from + i));
    if (i < columns) {
      const int left = static_cast<int>(columns - i);
      simd::store_first(to + i, simd::load_first(from + i, left), left);
    }
    std::fill(to + columns, to + width, 0.f);
  }
}

}  // namespace echelon::kernels
