#include "echelon/config/paths.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "echelon/base/error.h"
#include "echelon/base/text.h"

namespace echelon::config {

namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxPath = 4095;

/// Every part of `inner` starts with the parts of `outer`.
bool below_or_same(const fs::path& inner, const fs::path& outer) {
  const auto [o, i] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  static_cast<void>(i);
  return o == outer.end();
}

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() || path == path.root_path() ? path : path.parent_path();
}

/// Links followed as far as the path exists. Throws for link circles and unreadable folders.
fs::path resolved(const fs::path& path, std::string_view key, const char* id) {
  std::error_code error;
  fs::path result = fs::weakly_canonical(fs::absolute(path), error);
  if (error)
    fail(ExitCode::config, id, "{}: found '{}', wanted a path that can be followed: {}", key,
         text::escaped(path.string()), error.message());
  return without_trailing_slash(result);
}

void check_characters(const std::string& name, std::string_view key, const char* id) {
  const auto refuse = [&](std::string_view rule) {
    fail(ExitCode::config, id, "{}: found '{}', wanted {}", key, text::escaped(name), rule);
  };
  if (name.empty()) refuse("a path");
  if (name.size() > kMaxPath) refuse(fmt::format("a path of at most {} bytes", kMaxPath));
  if (name.starts_with('~')) refuse("a path without '~', which is not expanded");
  if (name.find('$') != std::string::npos) refuse("a path without '$', which is not expanded");
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
    refuse("a path without control characters");
}

}  // namespace

fs::path inside(const fs::path& root, const std::string& name, std::string_view key) {
  check_characters(name, key, "C19");
  if (fs::path(name).is_absolute())
    fail(ExitCode::config, "C19", "{}: found '{}', wanted a path relative to '{}'", key,
         text::escaped(name), text::escaped(root.string()));
  const fs::path base = resolved(root, key, "C19");
  const fs::path target = resolved(base / name, key, "C19");
  if (!below_or_same(target, base) || target == base)
    fail(ExitCode::config, "C19", "{}: found '{}', which leads to '{}', wanted a path below '{}'",
         key, text::escaped(name), text::escaped(target.string()), text::escaped(base.string()));
  return target;
}

fs::path run_directory(const std::string& name, std::string_view key) {
  check_characters(name, key, "C22");
  const fs::path path = resolved(name, key, "C22");
  const auto refuse = [&](std::string_view what) {
    fail(ExitCode::config, "C22",
         "{}: found '{}', which is {}, wanted a folder of its own; old checkpoints are deleted "
         "there",
         key, text::escaped(path.string()), what);
  };
  if (path == path.root_path()) refuse("the root folder");
  constexpr std::array<std::string_view, 17> system = {
      "/bin", "/boot", "/dev",  "/etc", "/home", "/lib", "/lib64", "/media", "/mnt",
      "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/usr",   "/var"};
  if (std::find(system.begin(), system.end(), path.string()) != system.end())
    refuse("a system folder");
  for (const std::string_view forbidden : {"/dev", "/proc", "/sys"})
    if (below_or_same(path, fs::path(forbidden)) && !below_or_same(path, "/dev/shm"))
      refuse("inside a system folder");
  if (path == "/dev/shm" || path == "/tmp") refuse("a folder shared by everybody");
  if (const char* home = std::getenv("HOME"); home && path == resolved(home, key, "C22"))
    refuse("the home folder");
  if (const fs::path here = resolved(fs::current_path(), key, "C22");
      path != here && below_or_same(here, path))
    refuse("a folder above the current one");
  return path;
}

}  // namespace echelon::config
