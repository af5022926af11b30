#include "echelon/checkpoint/folder.h"

#include <algorithm>
#include <optional>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/base/log.h"
#include "echelon/checkpoint/checkpoint.h"

namespace echelon::checkpoint {

namespace fs = std::filesystem;

namespace {

/// The step in a name "step-########" + suffix, or nothing.
std::optional<int64_t> step_of(const std::string& name, const std::string& suffix = "") {
  constexpr std::string_view kPrefix = "step-";
  if (name.size() != kPrefix.size() + 8 + suffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(suffix))
    return std::nullopt;
  int64_t step = 0;
  for (const char c : name.substr(kPrefix.size(), 8)) {
    if (c < '0' || c > '9') return std::nullopt;
    step = 10 * step + (c - '0');
  }
  return step;
}

/// Plain folders (never links) whose name is a step with the suffix, ascending.
std::vector<int64_t> steps_with(const fs::path& folder, const std::string& suffix) {
  std::vector<int64_t> steps;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    const auto step = step_of(entry.path().filename().string(), suffix);
    if (step && entry.symlink_status().type() == fs::file_type::directory) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<std::string> damage(const fs::path& checkpoint) {
  try {
    verify_files(checkpoint, read_manifest(checkpoint));
  } catch (const Error& e) {
    return e.what();
  }
  return std::nullopt;
}

}  // namespace

std::string step_name(int64_t step) { return fmt::format("step-{:08d}", step); }

std::vector<int64_t> list_steps(const fs::path& folder) { return steps_with(folder, ""); }

fs::path find_newest(const fs::path& folder) {
  auto steps = list_steps(folder);
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    const auto fault = damage(folder / step_name(*it));
    if (!fault) return folder / step_name(*it);
    log::warn("ignored {}: {}", step_name(*it), *fault);
  }
  return {};
}

std::vector<int64_t> to_delete(std::span<const int64_t> steps, const std::vector<bool>& intact,
                               const Retention& rule) {
  if (rule.keep_latest < 1)
    fail(ExitCode::config, "C22",
         "checkpoint.keep_latest_k: found {}, wanted at least 1; it would delete every checkpoint",
         rule.keep_latest);
  std::vector<int64_t> out;
  int64_t kept = 0;
  for (size_t i = steps.size(); i-- > 0;) {
    const bool recent = kept < rule.keep_latest;
    if (recent && intact[i]) ++kept;
    const bool retained = rule.retain_interval > 0 && steps[i] % rule.retain_interval == 0;
    const bool guarded = std::find(rule.protect.begin(), rule.protect.end(), step_name(steps[i])) !=
                         rule.protect.end();
    if (!recent && !retained && !guarded) out.push_back(steps[i]);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> prune(const fs::path& folder, const Retention& rule) {
  const auto steps = list_steps(folder);
  std::vector<bool> intact(steps.size(), false);
  int64_t found = 0;
  // Only as many as must stay are examined; the rest need not be intact to be deleted.
  for (size_t i = steps.size(); i-- > 0 && found < rule.keep_latest;)
    if ((intact[i] = !damage(folder / step_name(steps[i])).has_value())) ++found;
  std::vector<std::string> removed;
  for (const int64_t step : to_delete(steps, intact, rule)) {
    const fs::path from = folder / step_name(step);
    const fs::path to = folder / (step_name(step) + ".tmp");
    std::error_code error;
    fs::remove_all(to, error);
    if (!error) fs::rename(from, to, error);
    if (!error) fs::remove_all(to, error);
    if (error) {
      log::warn("{}: could not be deleted: {}", from.string(), error.message());
      continue;
    }
    removed.push_back(step_name(step));
  }
  return removed;
}

std::vector<std::string> clean_leftovers(const fs::path& folder) {
  std::vector<std::string> removed;
  for (const int64_t step : steps_with(folder, ".tmp")) {
    const std::string name = step_name(step) + ".tmp";
    std::error_code error;
    fs::remove_all(folder / name, error);
    if (error)
      log::warn("{}: could not be removed: {}", (folder / name).string(), error.message());
    else
      removed.push_back(name);
  }
  return removed;
}

std::vector<std::string> set_aside_newer(const fs::path& folder, int64_t step) {
  std::vector<std::string> moved;
  for (const int64_t newer : list_steps(folder)) {
    if (newer <= step) continue;
    int n = 1;
    const auto target = [&] { return fmt::format("{}.left.{}", step_name(newer), n); };
    while (fs::exists(fs::symlink_status(folder / target()))) ++n;
    std::error_code error;
    fs::rename(folder / step_name(newer), folder / target(), error);
    if (error)
      fail(ExitCode::storage, "S2", "{}: renaming to {} failed: {}",
           (folder / step_name(newer)).string(), target(), error.message());
    moved.push_back(target());
  }
  if (!moved.empty()) sync_directory(folder);
  return moved;
}

}  // namespace echelon::checkpoint
