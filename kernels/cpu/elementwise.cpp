#include "kernels/cpu/elementwise.h"

#include <bit>
#include <cstring>
#include <vector>

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

double sum_of_squares(const float* x, int64_t n) {
  // One partial sum per block of fixed size, added in order: the same for any number of threads.
  constexpr int64_t kBlock = 1 << 14;
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> partial(static_cast<size_t>(blocks));
  double* sums = partial.data();
  parallel_ranges(blocks, 8, [=](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      const int64_t end = (b + 1) * kBlock < n ? (b + 1) * kBlock : n;
      double sum = 0.0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = b * kBlock; i < end; ++i)
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      sums[b] = sum;
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
