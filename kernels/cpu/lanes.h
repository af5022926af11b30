#pragma once
// Sixteen floats at once, in the compiler's vector types: one register with AVX-512, several
// without.
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#else
#pragma GCC diagnostic ignored "-Wpsabi"  // everything here is inlined, no ABI is involved
#endif

namespace kernels::cpu {

inline constexpr int64_t kLanes = 16;
typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t IntLanes __attribute__((vector_size(64)));
typedef uint32_t WordLanes __attribute__((vector_size(64)));

inline constexpr IntLanes kLaneIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

inline Lanes broadcast(float x) { return Lanes{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
inline Lanes select(IntLanes mask, Lanes yes, Lanes no) { return mask ? yes : no; }

inline Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

/// The first `count` (0 to 16) floats, the other lanes 0.
inline Lanes load_first(const float* p, int64_t count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
#else
  Lanes v{};
  std::memcpy(&v, p, static_cast<size_t>(count) * sizeof(float));
  return v;
#endif
}
inline void store_first(float* p, Lanes v, int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), v);
#else
  std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
#endif
}

/// The second argument where either is NaN, as the instruction has it.
inline Lanes maximum(Lanes a, Lanes b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xFFFF, a, b);
#else
  return select(a > b, a, b);
#endif
}
inline Lanes minimum(Lanes a, Lanes b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xFFFF, a, b);
#else
  return select(a < b, a, b);
#endif
}

inline float sum_of(Lanes v) {
  float total = 0.0f;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

/// body(offset, count) in steps of 16, count < 16 in the last one only. An element is computed by
/// the same instructions whatever the range it lies in.
template <class Body>
inline void for_lanes(int64_t from, int64_t to, const Body& body) {
  int64_t i = from;
  for (; i + kLanes <= to; i += kLanes) body(i, kLanes);
  if (i < to) body(i, to - i);
}
inline Lanes load_up_to(const float* p, int64_t count) {
  return count == kLanes ? load(p) : load_first(p, count);
}
inline void store_up_to(float* p, Lanes v, int64_t count) {
  count == kLanes ? store(p, v) : store_first(p, v, count);
}

}  // namespace kernels::cpu
