#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace echelon::checkpoint {

/// A type of the format: `rank` orders files (higher alignment first).
struct FormatType {
  std::string_view name;
  uint64_t bits = 0;
  int rank = 0;
};
/// Null for a name the format does not know.
const FormatType* format_type(std::string_view name);

}  // namespace echelon::checkpoint
