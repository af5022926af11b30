#include "src/telemetry/number_text.h"

#include <charconv>
#include <cmath>

namespace echelon::telemetry {

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const double size = std::abs(value);
  std::to_chars_result end{};
  if (size < 1e15 && value == std::trunc(value))
    end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(value));
  else if (size >= 1e-4 && size < 1e15)
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  else
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  return {buffer, end.ptr};
}

std::string value_text(const Value& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return number_text(*real);
  return std::get<std::string>(value);
}

}  // namespace echelon::telemetry
