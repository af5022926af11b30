#include "src/checkpoint/convert.h"

#include <cmath>
#include <cstring>

#include "echelon/base/error.h"

namespace echelon::checkpoint {

namespace {

template <class F>
auto with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(float{});
    case DType::bf16: return f(bf16{});
    case DType::f16: return f(f16{});
    case DType::f64: return f(double{});
    default: fail(ExitCode::internal, "", "{} is not a floating-point type", name_of(dtype));
  }
}

template <class T>
T load_as(const std::byte* data, int64_t i) {
  T value;
  std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

template <class T>
bool finite(T value) {
  if constexpr (std::is_same_v<T, double>)
    return std::isfinite(value);
  else
    return std::isfinite(static_cast<float>(value));
}

}  // namespace

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16 || dtype == DType::f64;
}

std::vector<std::byte> converted(const std::byte* data, int64_t count, DType from, DType to) {
  std::vector<std::byte> out(static_cast<size_t>(count) * size_of(to));
  with_type(from, [&](auto source) {
    using S = decltype(source);
    with_type(to, [&](auto target) {
      using T = decltype(target);
      for (int64_t i = 0; i < count; ++i) {
        const S value = load_as<S>(data, i);
        T result;
        if constexpr (std::is_same_v<S, double> || std::is_same_v<S, float>)
          result = static_cast<T>(value);
        else
          result = static_cast<T>(static_cast<float>(value));
        std::memcpy(out.data() + static_cast<size_t>(i) * sizeof(T), &result, sizeof(T));
      }
    });
  });
  return out;
}

int64_t count_nonfinite(const std::byte* data, int64_t count, DType dtype) {
  return with_type(dtype, [&](auto kind) {
    int64_t bad = 0;
    for (int64_t i = 0; i < count; ++i) bad += finite(load_as<decltype(kind)>(data, i)) ? 0 : 1;
    return bad;
  });
}

}  // namespace echelon::checkpoint
