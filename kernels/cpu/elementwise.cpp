#include "kernels/cpu/elementwise.h"

#include <bit>
#include <cstring>
#include <vector>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace kernels::cpu {

void zero(void* dst, int64_t bytes) {
  char* d = static_cast<char*>(dst);
  parallel_ranges(bytes, 1 << 18, [=](int64_t from, int64_t to) {
    std::memset(d + from, 0, static_cast<size_t>(to - from));
  });
}

void add(const float* a, const float* b, float* dst, int64_t n) {
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) dst[i] = a[i] + b[i];
  });
}

void axpy(float factor, const float* src, float* dst, int64_t n) {
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) dst[i] += factor * src[i];
  });
}

void scale(float factor, float* dst, int64_t n) {
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) dst[i] *= factor;
  });
}

void fill(float value, float* dst, int64_t n) {
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) dst[i] = value;
  });
}

namespace {

typedef double Doubles __attribute__((vector_size(64)));

/// Four independent sums of eight doubles, so that additions need not wait for each other.
double squares_of(const float* x, int64_t n) {
  Doubles sum[4] = {};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int part = 0; part < 4; ++part) {
      typedef float Eight __attribute__((vector_size(32)));
      Eight narrow;
      std::memcpy(&narrow, x + i + 8 * part, sizeof narrow);
      const Doubles wide = __builtin_convertvector(narrow, Doubles);
      sum[part] += wide * wide;
    }
  const Doubles all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  double total = 0.0;
  for (int lane = 0; lane < 8; ++lane) total += all[lane];
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

}  // namespace

double sum_of_squares(const float* x, int64_t n) {
  // One partial sum per block of fixed size, added in order: the same for any number of threads.
  constexpr int64_t kBlock = 1 << 14;
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> partial(static_cast<size_t>(blocks));
  double* sums = partial.data();
  parallel_ranges(blocks, 8, [=](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      const int64_t end = (b + 1) * kBlock < n ? (b + 1) * kBlock : n;
      sums[b] = squares_of(x + b * kBlock, end - b * kBlock);
    }
  });
  double total = 0.0;
  for (const double sum : partial) total += sum;
  return total;
}

namespace {

float load(float x) { return x; }
struct Bf16 {
  uint16_t bits;
};
float load(Bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }
float load(_Float16 x) { return static_cast<float>(x); }

void store(float x, float& dst) { dst = x; }
void store(float x, _Float16& dst) { dst = static_cast<_Float16>(x); }
void store(float x, Bf16& dst) {
  const uint32_t word = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (word + 0x7FFF + ((word >> 16) & 1)) >> 16;
  dst.bits = static_cast<uint16_t>(x != x ? (word >> 16) | 0x40 : rounded);
}

template <class From, class To>
void cast_as(const void* src, void* dst, int64_t n) {
  const From* s = static_cast<const From*>(src);
  To* d = static_cast<To*>(dst);
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) store(load(s[i]), d[i]);
  });
}

#if defined(__AVX512F__)
// The compiler's own conversion of _Float16 works on one element at a time.
template <>
void cast_as<float, _Float16>(const void* src, void* dst, int64_t n) {
  const float* s = static_cast<const float*>(src);
  char* d = static_cast<char*>(dst);
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
    for_lanes(from, to, [=](int64_t i, int64_t count) {
      const __m256i half = _mm512_maskz_cvtps_ph(0xFFFF, load_up_to(s + i, count), 0);
      std::memcpy(d + 2 * i, &half, static_cast<size_t>(2 * count));
    });
  });
}
template <>
void cast_as<_Float16, float>(const void* src, void* dst, int64_t n) {
  const char* s = static_cast<const char*>(src);
  float* d = static_cast<float*>(dst);
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
    for_lanes(from, to, [=](int64_t i, int64_t count) {
      __m256i half = _mm256_setzero_si256();
      std::memcpy(&half, s + 2 * i, static_cast<size_t>(2 * count));
      store_up_to(d + i, _mm512_maskz_cvtph_ps(0xFFFF, half), count);
    });
  });
}
#endif

template <class From>
void cast_from(const void* src, Float to, void* dst, int64_t n) {
  switch (to) {
    case Float::f32: return cast_as<From, float>(src, dst, n);
    case Float::bf16: return cast_as<From, Bf16>(src, dst, n);
    case Float::f16: return cast_as<From, _Float16>(src, dst, n);
  }
}

/// All exponent bits set means infinity or NaN; one flag per range, so that ranges need no order.
template <class Word>
bool finite_words(const void* x, int64_t n, Word exponent) {
  const Word* words = static_cast<const Word*>(x);
  constexpr int64_t kBlock = 1 << 16;
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<uint8_t> bad(static_cast<size_t>(blocks), 0);
  uint8_t* flags = bad.data();
  parallel_ranges(blocks, 2, [=](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      const int64_t end = (b + 1) * kBlock < n ? (b + 1) * kBlock : n;
      Word any = 0;
#pragma omp simd reduction(| : any)
      for (int64_t i = b * kBlock; i < end; ++i)
        any |= static_cast<Word>((words[i] & exponent) == exponent);
      flags[b] = any != 0;
    }
  });
  for (const uint8_t flag : bad)
    if (flag) return false;
  return true;
}

}  // namespace

void cast(Float from, const void* src, Float to, void* dst, int64_t n) {
  switch (from) {
    case Float::f32: return cast_from<float>(src, to, dst, n);
    case Float::bf16: return cast_from<Bf16>(src, to, dst, n);
    case Float::f16: return cast_from<_Float16>(src, to, dst, n);
  }
}

bool all_finite(Float type, const void* x, int64_t n) {
  switch (type) {
    case Float::f32: return finite_words<uint32_t>(x, n, 0x7F800000);
    case Float::bf16: return finite_words<uint16_t>(x, n, 0x7F80);
    case Float::f16: return finite_words<uint16_t>(x, n, 0x7C00);
  }
  return false;
}

}  // namespace kernels::cpu
