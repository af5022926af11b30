#include "src/comm/reduce.h"

#include <emmintrin.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace echelon::comm {

namespace {

constexpr int64_t kBlock = 1024;  // elements whose running result stays in the first-level cache

// Inline twins of the conversions in device/dtype.h, so that the loops below become vector code.
float widen(bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }
float widen(f16 x) { return static_cast<float>(std::bit_cast<_Float16>(x.bits)); }
template <class T>
T widen(T x) {
  return x;
}
template <class T, class A>
T narrow(A x) {
  if constexpr (std::is_same_v<T, bf16>) {
    const auto word = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (word + 0x7FFF + ((word >> 16) & 1)) >> 16;
    const uint32_t quiet = (word >> 16) | 0x40;
    return std::bit_cast<bf16>(static_cast<uint16_t>(x != x ? quiet : rounded));
  } else if constexpr (std::is_same_v<T, f16>) {
    return std::bit_cast<f16>(static_cast<_Float16>(x));
  } else {
    return x;
  }
}

template <class T>
struct AccumulatorOf {
  using type = T;
};
template <>
struct AccumulatorOf<bf16> {
  using type = float;
};
template <>
struct AccumulatorOf<f16> {
  using type = float;
};

template <ReduceOp op, class A>
A combine(A a, A b) {
  if constexpr (op == ReduceOp::sum)
    return static_cast<A>(a + b);
  else if constexpr (op == ReduceOp::max)
    return b > a || b != b ? b : a;
  else
    return b < a || b != b ? b : a;
}

template <class T, ReduceOp op>
void reduce_typed(std::span<const std::byte* const> src, std::span<std::byte* const> dst,
                  int64_t count, bool streaming) {
  using A = typename AccumulatorOf<T>::type;
  alignas(64) A sum[kBlock];
  alignas(64) T result[kBlock];
  for (int64_t from = 0; from < count; from += kBlock) {
    const int64_t n = std::min(kBlock, count - from);
    const size_t offset = static_cast<size_t>(from) * sizeof(T);
    const size_t bytes = static_cast<size_t>(n) * sizeof(T);
    const T* first = reinterpret_cast<const T*>(src[0] + offset);
    for (int64_t i = 0; i < n; ++i) sum[i] = widen(first[i]);
    for (size_t s = 1; s < src.size(); ++s) {
      const T* next = reinterpret_cast<const T*>(src[s] + offset);
      for (int64_t i = 0; i < n; ++i) sum[i] = combine<op, A>(sum[i], widen(next[i]));
    }
    const T* out = result;
    if constexpr (std::is_same_v<T, A>)
      out = sum;
    else
      for (int64_t i = 0; i < n; ++i) result[i] = narrow<T, A>(sum[i]);
    for (std::byte* d : dst) {
      if (streaming)
        copy_streaming(d + offset, reinterpret_cast<const std::byte*>(out), bytes);
      else
        std::memcpy(d + offset, out, bytes);
    }
  }
  if (streaming) _mm_sfence();
}

template <class T>
void reduce_dtype(std::span<const std::byte* const> src, std::span<std::byte* const> dst,
                  int64_t count, ReduceOp op, bool streaming) {
  switch (op) {
    case ReduceOp::sum: return reduce_typed<T, ReduceOp::sum>(src, dst, count, streaming);
    case ReduceOp::max: return reduce_typed<T, ReduceOp::max>(src, dst, count, streaming);
    case ReduceOp::min: return reduce_typed<T, ReduceOp::min>(src, dst, count, streaming);
  }
}

}  // namespace

void copy_streaming(std::byte* dst, const std::byte* src, size_t bytes) {
  const size_t head = std::min(bytes, (64 - reinterpret_cast<uintptr_t>(dst) % 64) % 64);
  std::memcpy(dst, src, head);
  size_t at = head;
  for (; at + 64 <= bytes; at += 64) {
    for (size_t part = at; part < at + 64; part += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(dst + part),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + part)));
  }
  std::memcpy(dst + at, src + at, bytes - at);
}

void reduce(std::span<const std::byte* const> src, std::span<std::byte* const> dst, int64_t count,
            DType dtype, ReduceOp op, bool streaming) {
  switch (dtype) {
    case DType::f32: return reduce_dtype<float>(src, dst, count, op, streaming);
    case DType::bf16: return reduce_dtype<bf16>(src, dst, count, op, streaming);
    case DType::f16: return reduce_dtype<f16>(src, dst, count, op, streaming);
    case DType::f64: return reduce_dtype<double>(src, dst, count, op, streaming);
    case DType::i64: return reduce_dtype<int64_t>(src, dst, count, op, streaming);
    case DType::i32: return reduce_dtype<int32_t>(src, dst, count, op, streaming);
    case DType::u16: return reduce_dtype<uint16_t>(src, dst, count, op, streaming);
    case DType::u8: return reduce_dtype<uint8_t>(src, dst, count, op, streaming);
  }
}

}  // namespace echelon::comm
