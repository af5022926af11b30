#pragma once
// Names of other training tools, known for suggestions only; none is accepted as an alias.
#include <span>
#include <string_view>

namespace echelon::config {

struct ForeignName {
  std::string_view name;  ///< last part, or a full path where the last part says too little
  std::string_view tool;
  std::string_view target;  ///< our key or section; empty when there is no counterpart
  std::string_view note;    ///< what differs, or why there is none
};

/// All entries, sorted by name.
std::span<const ForeignName> foreign_names();
const ForeignName* foreign_name(std::string_view name);

}  // namespace echelon::config
