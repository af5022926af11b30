#include "echelon/config/violations.h"

#include <fmt/format.h>

#include "echelon/base/text.h"
#include "src/config/mistakes.h"

namespace echelon::config {

void Violations::add(std::string_view id, std::string_view key, std::string_view found,
                     std::string_view wanted, std::string_view advice) {
  const Setting* setting = settings_->find(key);
  const std::string place = setting ? setting->origin.place() + ": " : "";
  lines_.emplace_back(
      id, fmt::format("{}{}: found {}, wanted {}{}{}", place, key, text::escaped(found), wanted,
                      advice.empty() ? "" : "; ", advice));
}

int64_t Violations::product(std::span<const std::pair<std::string_view, int64_t>> factors,
                            int64_t most) {
  int64_t result = 1;
  bool fits = true;
  std::string equation;
  for (const auto& [key, value] : factors) {
    equation += fmt::format("{}{} = {}", equation.empty() ? "" : " x ", key, value);
    fits = fits && !__builtin_mul_overflow(result, value, &result) && result <= most;
  }
  if (fits) return result;
  add("C11", factors.front().first, equation, fmt::format("a product of at most {}", most));
  return 0;
}

void Violations::raise_if_any() const {
  Mistakes mistakes;
  for (const auto& [id, line] : lines_) mistakes.add(id, line);
  mistakes.raise_if_any();
}

}  // namespace echelon::config
