#pragma once
// Sixteen Philox blocks at once.
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/philox.h"

namespace kernels::cpu {

/// Low and high halves of the 64-bit products x * factor.
inline void multiply_wide(WordLanes x, uint32_t factor, WordLanes& high, WordLanes& low) {
#if defined(__AVX512F__)
  const __m512i a = __m512i(x), f = _mm512_set1_epi64(factor);
  const __m512i even = _mm512_maskz_mul_epu32(0xFF, a, f),
                odd = _mm512_maskz_mul_epu32(0xFF, _mm512_maskz_srli_epi64(0xFF, a, 32), f);
  low = WordLanes(_mm512_mask_blend_epi32(0xAAAA, even, _mm512_maskz_slli_epi64(0xFF, odd, 32)));
  high = WordLanes(_mm512_mask_blend_epi32(0xAAAA, _mm512_maskz_srli_epi64(0xFF, even, 32), odd));
#else
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t product = uint64_t{x[i]} * factor;
    high[i] = static_cast<uint32_t>(product >> 32);
    low[i] = static_cast<uint32_t>(product);
  }
#endif
}

/// words[w][i] is word w of block (high[i], low[i]).
inline void philox_lanes(PhiloxKey key, WordLanes low, WordLanes high, WordLanes (&words)[4]) {
  WordLanes c0 = low, c1 = high, c2 = WordLanes{} + static_cast<uint32_t>(key.stream);
  WordLanes c3 = WordLanes{} + static_cast<uint32_t>(key.stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    WordLanes high0, low0, high1, low1;
    multiply_wide(c0, 0xD2511F53, high0, low0);
    multiply_wide(c2, 0xCD9E8D57, high1, low1);
    c0 = high1 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low1;
    c3 = low0;
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

}  // namespace kernels::cpu
