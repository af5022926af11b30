#include "src/config/suggest.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "echelon/base/text.h"
#include "src/config/other_tools.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

/// The only key (or section) with this last part.
std::optional<std::string> same_last_part(std::string_view last, const Settings& settings) {
  std::optional<std::string> found;
  for (const Setting& s : settings.items) {
    if (s.key.last() != last) continue;
    if (found) return std::nullopt;
    found = s.key.path;
  }
  if (found) return found;
  for (const Section& s : settings.sections) {
    if (last_part(s.path) != last) continue;
    if (found) return std::nullopt;
    found = s.path;
  }
  return found;
}

std::string did_you_mean(std::string_view path) { return fmt::format("did you mean '{}'?", path); }

/// Suggestion from the table of other tools' names, empty when the name is not in it.
std::string foreign(const std::string& path, const Settings& settings) {
  const ForeignName* entry = foreign_name(path);
  if (!entry) entry = foreign_name(last_part(path));
  if (!entry) return "";
  if (entry->target.empty())
    return fmt::format("'{}' of {}: {}", entry->name, entry->tool, entry->note);
  std::optional<std::string> target;
  if (settings.find(entry->target) || settings.section(entry->target))
    target = std::string(entry->target);
  else
    target = same_last_part(last_part(entry->target), settings);
  if (!target || *target == path) return "";
  return did_you_mean(*target) + (entry->note.empty() ? "" : fmt::format(" ({})", entry->note));
}

}  // namespace

std::string suggestion(const std::string& path, const Settings& settings) {
  if (std::string hint = foreign(path, settings); !hint.empty()) return hint;
  const std::string_view last = last_part(path);
  if (auto same = same_last_part(last, settings)) return did_you_mean(*same);
  const int limit = std::max(2, static_cast<int>(last.size()) / 4);
  // Among equals the nearest as a whole: a typo rarely changes the section.
  std::tuple<int, int, std::string> best = {limit + 1, 0, ""};
  const auto consider = [&](const std::string& known) {
    const int whole = text::edit_distance(path, known);
    const int part = text::edit_distance(last, last_part(known));
    best = std::min(best, {std::min(whole, part), whole, known});
  };
  for (const Setting& s : settings.items) consider(s.key.path);
  for (const Section& s : settings.sections) consider(s.path);
  const std::string& name = std::get<2>(best);
  return name.empty() ? "" : did_you_mean(name);
}

}  // namespace echelon::config
