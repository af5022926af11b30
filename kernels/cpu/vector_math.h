#pragma once
// Elementary functions without branches or calls, so that loops over them become vector code.
// Errors are relative, over all floats, against the exact value.
#include <bit>
#include <cstdint>

namespace kernels::cpu {

/// exp(x), error below 2e-7; 0 below -87, infinity above 88.8, NaN for NaN.
/// x = n ln2 + r, |r| <= ln2/2; polynomial of Cephes expf, doubled: 2^n = 2 * 2^(n-1) reaches n =
/// 128.
inline float exp_f32(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float low = x < -87.0f ? -87.0f : x;
  const float bounded = low > 88.8f ? 88.8f : low;
  const float shifted = bounded * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 2.0f * 1.9875691500e-4f;
  p = p * r + 2.0f * 1.3981999507e-3f;
  p = p * r + 2.0f * 8.3334519073e-3f;
  p = p * r + 2.0f * 4.1665795894e-2f;
  p = p * r + 2.0f * 1.6666665459e-1f;
  p = p * r + 2.0f * 5.0000001201e-1f;
  p = p * (r * r) + (2.0f * r + 2.0f);
  // The low bits of `shifted` are n; the rest leaves at the top.
  const float power = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 126u) << 23);
  return x < -86.9f ? 0.0f : p * power;
}

/// Standard normal distribution of x and its density times sqrt(2 pi).
struct Normal {
  float cdf, bell;
};

/// For a = |x|, 1 - cdf = exp(-a^2/2) * P(1/(1 + 0.3 a)); P minimises the relative error for a
/// <= 13.5 (6e-8, Remez). The exponent's rounding grows with a^2: 3e-7 at a = 3, 5e-6 at the far
/// end.
inline Normal normal(float x) {
  const float a = x < 0.0f ? -x : x;
  const float t = 1.0f / (1.0f + 0.3f * a);
  const float bell = exp_f32(-0.5f * a * a);
  float p = 0.0383342629084f;
  p = p * t - 0.168951934657f;
  p = p * t + 0.228217251757f;
  p = p * t - 0.0759995247101f;
  p = p * t + 0.142185006512f;
  p = p * t + 0.0948330008503f;
  p = p * t + 0.121882048641f;
  p = p * t + 0.119493064502f;
  p = p * t + 6.85287071778e-6f;
  const float tail = p * bell;
  return {x < 0.0f ? tail : 1.0f - tail, bell};
}

}  // namespace kernels::cpu
