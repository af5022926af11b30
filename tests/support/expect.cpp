#include <fmt/format.h>

#include <stdexcept>

#include "tests/support/worlds.h"

namespace echelon::test {

void expect(bool condition, const std::string& claim, std::source_location where) {
  if (condition) return;
  throw std::runtime_error(fmt::format("{}:{}: {}", where.file_name(), where.line(), claim));
}

}  // namespace echelon::test
