#pragma once
// Element types. bf16 and f16 on the CPU are storage and message formats: arithmetic is f32.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace echelon {

enum class DType : uint8_t { f32, bf16, f16, f64, i64, i32, u16, u8 };

size_t size_of(DType dtype);
std::string_view name_of(DType dtype);  ///< "f32", "bf16", ...

/// bfloat16 by its bits; conversion from f32 rounds to nearest even, NaN stays NaN.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float value);
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

/// IEEE binary16 by its bits; conversion from f32 rounds to nearest even, overflow gives infinity.
struct f16 {
  uint16_t bits = 0;
  f16() = default;
  explicit f16(float value);
  explicit operator float() const;
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<f16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};

}  // namespace echelon
