#include "echelon/device/dtype.h"

#include <cmath>

#include "echelon/base/error.h"

namespace echelon {

size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16:
    case DType::u16: return 2;
    case DType::f64:
    case DType::i64: return 8;
    case DType::u8: return 1;
  }
  ECH_CHECK(false, "unknown dtype {}", static_cast<int>(dtype));
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::f16: return "f16";
    case DType::f64: return "f64";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::u16: return "u16";
    case DType::u8: return "u8";
  }
  return "?";
}

bf16::bf16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    bits = static_cast<uint16_t>((word >> 16) | 0x40);
  else
    bits = static_cast<uint16_t>((word + 0x7FFF + ((word >> 16) & 1)) >> 16);
}

f16::f16(float value) : bits(std::bit_cast<uint16_t>(static_cast<_Float16>(value))) {}
f16::operator float() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }

}  // namespace echelon
