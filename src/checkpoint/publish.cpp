#include "src/checkpoint/publish.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>

#include "echelon/base/file.h"
#include "echelon/base/log.h"
#include "echelon/checkpoint/folder.h"

namespace echelon::checkpoint {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void storage_error(const fs::path& path, const char* doing, const std::error_code& e) {
  fail(ExitCode::storage, "S2", "{}: {} failed: {}", path.string(), doing, e.message());
}

/// Puts `unfinished` in the place of `published`. Where that exists (a step saved twice), the two
/// are exchanged in one move, so that a complete checkpoint carries the name at every instant.
void move_into_place(const fs::path& unfinished, const fs::path& published) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(published))) {
    fs::rename(unfinished, published, error);
    if (error) storage_error(published, "renaming", error);
    return;
  }
  if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, published.c_str(), RENAME_EXCHANGE) != 0)
    storage_error(published, "exchanging with the new one",
                  std::error_code(errno, std::generic_category()));
  fs::remove_all(unfinished, error);
}

}  // namespace

void make_unfinished(const fs::path& folder, const fs::path& unfinished) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) storage_error(folder, "creating", error);
  fs::remove_all(unfinished, error);
  if (error) storage_error(unfinished, "removing a leftover", error);
  fs::create_directory(unfinished, error);
  if (error) storage_error(unfinished, "creating", error);
}

void publish(const fs::path& folder, const fs::path& unfinished, const Manifest& manifest,
             const SaveOptions& options) {
  write_manifest(unfinished, manifest);
  sync_directory(unfinished);
  // Not sealed before it reads back: what is published must be loadable.
  verify_files(unfinished, manifest);
  if (options.verify_data) verify_data(unfinished, manifest);
  move_into_place(unfinished, folder / step_name(options.step));
  sync_directory(folder);
  // Hints only: a failure here must not turn a published checkpoint into a failed save.
  try {
    write_file_atomically(folder / "latest", step_name(options.step) + "\n");
    if (options.megatron_tracker)
      write_file_atomically(folder / "latest_checkpointed_iteration.txt",
                            fmt::format("{}\n", options.step));
  } catch (const Error& e) {
    log::warn("{}; the checkpoint of step {} itself is complete", e.what(), options.step);
  }
}

}  // namespace echelon::checkpoint
