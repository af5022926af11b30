#include "kernels/cpu/gemm_pack.h"

#include <algorithm>

#include "kernels/cpu/gemm_load.h"
#include "kernels/cpu/gemm_tile.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12 warns inside its own avx512fintrin.h
#endif

namespace kernels::cpu {
namespace {

template <int kWidth, class T>
void transpose_plain(const T* src, int64_t stride, int64_t lines, int64_t depth, float* dst) {
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < lines; ++i) dst[k * kWidth + i] = widen(src[i * stride + k]);
  }
}

#if defined(__AVX512F__)

void store_halves(float* low, float* high, __m512d v) {
  _mm256_storeu_ps(low, _mm512_castps512_ps256(_mm512_castpd_ps(v)));
  _mm256_storeu_ps(high, _mm256_castpd_ps(_mm512_extractf64x4_pd(v, 1)));
}

// Eight lines of sixteen steps become sixteen steps of eight.
template <int kWidth, class T>
void transpose_8x16(const T* src, int64_t stride, float* dst) {
  __m512d pairs[8];  // [4h + 2c + o]: lines 4h+2c and 4h+2c+1, odd steps pairwise where o
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    const __m512 even = load(src + i * stride), odd = load(src + (i + 1) * stride);
    pairs[i] = _mm512_castps_pd(_mm512_unpacklo_ps(even, odd));
    pairs[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(even, odd));
  }
  const __m512i lanes01 = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i lanes23 = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s) {
    const int o = s / 2;
    // In 128-bit lane q: step 4q+s of lines 0 to 3, and of lines 4 to 7.
    const __m512d front = s % 2 ? _mm512_unpackhi_pd(pairs[o], pairs[2 + o])
                                : _mm512_unpacklo_pd(pairs[o], pairs[2 + o]);
    const __m512d back = s % 2 ? _mm512_unpackhi_pd(pairs[4 + o], pairs[6 + o])
                               : _mm512_unpacklo_pd(pairs[4 + o], pairs[6 + o]);
    float* to = dst + s * kWidth;
    store_halves(to, to + 4 * kWidth, _mm512_permutex2var_pd(front, lanes01, back));
    store_halves(to + 8 * kWidth, to + 12 * kWidth, _mm512_permutex2var_pd(front, lanes23, back));
  }
}

template <int kWidth, class T>
void transpose(const T* src, int64_t stride, int64_t lines, int64_t depth, float* dst) {
  const int64_t whole = depth / 16 * 16;
  int64_t i = 0;
  for (; i + 8 <= lines; i += 8) {
    const T* from = src + i * stride;
    for (int64_t k = 0; k < whole; k += 16) {
      transpose_8x16<kWidth>(from + k, stride, dst + k * kWidth + i);
    }
    transpose_plain<kWidth>(from + whole, stride, 8, depth - whole, dst + whole * kWidth + i);
  }
  transpose_plain<kWidth>(src + i * stride, stride, lines - i, depth, dst + i);
}

#else

template <int kWidth, class T>
void transpose(const T* src, int64_t stride, int64_t lines, int64_t depth, float* dst) {
  transpose_plain<kWidth>(src, stride, lines, depth, dst);
}

#endif

// Lines are contiguous over k.
template <int kWidth, class T>
void pack_along(const T* src, int64_t stride, int64_t count, int64_t depth, float* dst) {
  for (int64_t line = 0; line < count; line += kWidth, dst += kWidth * depth) {
    const int64_t lines = std::min<int64_t>(kWidth, count - line);
    transpose<kWidth>(src + line * stride, stride, lines, depth, dst);
    if (lines == kWidth) continue;
    for (int64_t k = 0; k < depth; ++k) {
      std::fill(dst + k * kWidth + lines, dst + (k + 1) * kWidth, 0.f);
    }
  }
}

// Lines lie side by side: each step of k is a contiguous run over all panels.
template <int kWidth, class T>
void pack_across(const T* src, int64_t stride, int64_t count, int64_t depth, float* dst) {
  const int64_t whole = count / kWidth * kWidth;
  for (int64_t k = 0; k < depth; ++k, src += stride, dst += kWidth) {
    float* to = dst;
    for (int64_t line = 0; line < whole; line += kWidth, to += kWidth * depth) {
      for (int i = 0; i < kWidth; ++i) to[i] = widen(src[line + i]);
    }
    if (whole == count) continue;
    for (int64_t i = whole; i < count; ++i) to[i - whole] = widen(src[i]);
    std::fill(to + count - whole, to + kWidth, 0.f);
  }
}

template <int kWidth, class T>
void pack(const GemmOperand& from, bool along, const PackBlock& block, float* dst) {
  const T* src = static_cast<const T*>(from.data);
  if (along) {
    src += block.line * from.stride + block.step;
    pack_along<kWidth>(src, from.stride, block.count, block.depth, dst);
  } else {
    src += block.step * from.stride + block.line;
    pack_across<kWidth>(src, from.stride, block.count, block.depth, dst);
  }
}

template <int kWidth>
void pack_any(const GemmOperand& from, bool along, const PackBlock& block, float* dst) {
  if (from.type == Float::bf16) return pack<kWidth, Bf16>(from, along, block, dst);
  if (from.type == Float::f16) return pack<kWidth, F16>(from, along, block, dst);
  pack<kWidth, float>(from, along, block, dst);
}

}  // namespace

void pack_rows(const GemmOperand& a, const PackBlock& block, float* dst) {
  pack_any<kTileRows>(a, !a.transposed, block, dst);
}

void pack_columns(const GemmOperand& b, const PackBlock& block, float* dst) {
  pack_any<kTileColumns>(b, b.transposed, block, dst);
}

}  // namespace kernels::cpu
