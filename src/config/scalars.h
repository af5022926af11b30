#pragma once
// Typed reading of raw scalar text. Nothing is coerced: one spelling table per declared kind
// (docs: configuration reference).
#include <string>
#include <string_view>

#include "echelon/config/settings.h"

namespace echelon::config {

/// Why a text is not a value of the wanted kind; thrown and caught inside this module.
struct Refused {
  std::string id;   ///< row of the fault catalogue
  std::string why;  ///< "wanted ..." part of the message
};

/// One scalar of the key's kind (of its element for lists), range and words checked.
Value parse_scalar(const Key& key, std::string_view text);

/// "a whole number in 1 .. 4096", "one of gelu, swiglu".
std::string wanted(const Key& key);
/// "whole number", "list of numbers": for documentation.
std::string kind_name(Kind kind);
bool is_list(Kind kind);
Kind element_kind(Kind kind);
/// "1 .. 4096", "at least 1", "at most 5" or empty.
std::string range_text(const Key& key);

/// Shortest decimal text that reads back as the same double, within the float spelling.
std::string real_text(double value);

}  // namespace echelon::config
