#include "src/config/mistakes.h"

#include "echelon/base/error.h"

namespace echelon::config {

namespace {
constexpr size_t kShown = 20;
}

void Mistakes::add(std::string id, std::string line) {
  if (lines_.empty()) id_ = std::move(id);
  lines_.push_back(std::move(line));
}

void Mistakes::raise_if_any() const {
  if (lines_.empty()) return;
  std::string all;
  for (size_t i = 0; i < std::min(kShown, lines_.size()); ++i) all += (i ? "\n" : "") + lines_[i];
  if (lines_.size() > kShown) all += fmt::format("\n... and {} more", lines_.size() - kShown);
  throw Error(ExitCode::config, id_, all);
}

void Mistakes::fatal(std::string id, std::string line) {
  add(std::move(id), std::move(line));
  raise_if_any();
  throw Error(ExitCode::internal, "", "unreachable");
}

}  // namespace echelon::config
