#pragma once
// Where a run may write. A configured path must not lead out of its folder, and a run directory
// must not be a place where pruning old checkpoints could delete something else.
#include <filesystem>
#include <string>
#include <string_view>

namespace echelon::config {

/// `name` below `root` with symbolic links followed; need not exist. Throws Error(config, C19)
/// naming key, resolved path and rule when it is absolute, holds "~", "$" or control characters, is
/// longer than 4,095 bytes, or leaves `root`.
std::filesystem::path inside(const std::filesystem::path& root, const std::string& name,
                             std::string_view key);

/// Absolute form of a run directory. Throws Error(config, C22) for an empty name, the root folder,
/// a folder directly below it that the system owns, the home folder, and folders above the current
/// one.
std::filesystem::path run_directory(const std::string& name, std::string_view key);

}  // namespace echelon::config
