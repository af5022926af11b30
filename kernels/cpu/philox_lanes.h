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

/// Words of the 64 elements 4*block .. 4*block + 63; block + 16 must not carry into its high half.
inline void philox_run(PhiloxKey key, uint64_t block, uint32_t* out) {
  WordLanes w[4];
  philox_lanes(key, WordLanes(kLaneIndex) + static_cast<uint32_t>(block),
               WordLanes{} + static_cast<uint32_t>(block >> 32), w);
  // Lane by lane instead of word by word: interleave words 0 with 2 and 1 with 3, then both.
  const WordLanes low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}, high = low + 8u;
  const WordLanes even_low = __builtin_shuffle(w[0], w[2], low);
  const WordLanes even_high = __builtin_shuffle(w[0], w[2], high);
  const WordLanes odd_low = __builtin_shuffle(w[1], w[3], low);
  const WordLanes odd_high = __builtin_shuffle(w[1], w[3], high);
  const WordLanes runs[4] = {
      __builtin_shuffle(even_low, odd_low, low), __builtin_shuffle(even_low, odd_low, high),
      __builtin_shuffle(even_high, odd_high, low), __builtin_shuffle(even_high, odd_high, high)};
  std::memcpy(out, runs, sizeof runs);
}

/// Words of the `count` consecutive elements from `element` on.
inline void philox_words(PhiloxKey key, uint64_t element, int64_t count, uint32_t* words) {
  uint32_t block[4];
  for (int64_t i = 0; i < count;) {
    const uint64_t at = element + static_cast<uint64_t>(i);
    if (at % 4 == 0 && count - i >= 64 && ((at / 4) & 0xFFFFFFFF) < 0xFFFFFFF0) {
      philox_run(key, at / 4, words + i);
      i += 64;
      continue;
    }
    philox_block(key, at / 4, block);
    for (uint64_t lane = at % 4; lane < 4 && i < count; ++lane, ++i) words[i] = block[lane];
  }
}

}  // namespace kernels::cpu
