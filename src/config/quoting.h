#pragma once
// Writing texts so that the strict reader gives them back unchanged.
#include <string>
#include <string_view>

namespace echelon::config {

/// YAML scalar for a text value: plain where that is unambiguous, in double quotes otherwise;
/// "${" is doubled to "$${" so that it is not expanded again.
std::string quoted_yaml(std::string_view text);
/// "${" doubled to "$${".
std::string escape_references(std::string_view text);
/// In double quotes and without the doubling: for texts that are still to be expanded.
std::string quoted_flow(std::string_view text);

}  // namespace echelon::config
