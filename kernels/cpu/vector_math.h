#pragma once
// Elementary functions of sixteen floats without branches. Errors are relative to the exact value.
#include <bit>

#include "kernels/cpu/lanes.h"

namespace kernels::cpu {

/// exp(x), error below 2e-7; 0 below -87, infinity above 88.8, NaN for NaN.
/// x = n ln2 + r, |r| <= ln2/2; polynomial of Cephes expf.
inline Lanes exp_lanes(Lanes x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const Lanes bounded = maximum(broadcast(-88.0f), minimum(broadcast(88.8f), x));
  const Lanes shifted = bounded * 1.44269504088896341f + kRound;
  const Lanes n = shifted - kRound;
  const Lanes r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  Lanes p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
#if defined(__AVX512F__)
  const __mmask16 normal = _mm512_cmp_ps_mask(x, broadcast(-87.0f), _CMP_NLT_UQ);
  return _mm512_maskz_scalef_ps(normal, p, n);
#else
  // The low bits of `shifted` are n, the rest leaves at the top; 2^n = 2 * 2^(n-1) reaches n = 128.
  const Lanes power = std::bit_cast<Lanes>((std::bit_cast<WordLanes>(shifted) + 126u) << 23);
  return select(x < -87.0f, Lanes{}, (p + p) * power);
#endif
}

/// Standard normal distribution of x and its density times sqrt(2 pi).
struct Normal {
  Lanes cdf, bell;
};

/// For a = |x|, 1 - cdf = exp(-a^2/2) * P(1/(1 + 0.3 a)); P minimises the relative error for a
/// <= 13.5 (6e-8, Remez). The exponent's rounding grows with a^2: 3e-7 at a = 3, 5e-6 at the far
/// end.
inline Normal normal_lanes(Lanes x) {
  const Lanes a = maximum(-x, x);
  const Lanes t = 1.0f / (1.0f + 0.3f * a);
  const Lanes bell = exp_lanes(-0.5f * a * a);
  Lanes p = broadcast(0.0383342629084f);
  p = p * t - 0.168951934657f;
  p = p * t + 0.228217251757f;
  p = p * t - 0.0759995247101f;
  p = p * t + 0.142185006512f;
  p = p * t + 0.0948330008503f;
  p = p * t + 0.121882048641f;
  p = p * t + 0.119493064502f;
  p = p * t + 6.85287071778e-6f;
  const Lanes tail = p * bell;
  return {select(x < 0.0f, tail, 1.0f - tail), bell};
}

}  // namespace kernels::cpu
