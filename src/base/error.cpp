#include "echelon/base/error.h"

namespace echelon::detail {

void check_failed(const char* file, int line, const char* condition, std::string message) {
  const std::string_view path = file;
  const auto cut = path.rfind("/src/");
  const auto shown = cut == std::string_view::npos ? path : path.substr(cut + 1);
  throw Error(ExitCode::internal, "",
              fmt::format("{}:{}: check '{}' failed: {}", shown, line, condition, message));
}

}  // namespace echelon::detail
