#pragma once
// One run, one folder: resolved.yaml, status.json, lock, metrics, events/, checkpoints/,
// report.html. Rank 0 holds it. Nothing inside names an absolute path, so a run can be moved when
// it is stopped.
#include <filesystem>
#include <optional>
#include <string>

namespace echelon::telemetry {

/// Content of status.json: what a batch script or a person asks about a run.
struct RunStatus {
  std::string state = "starting";  ///< starting, training, finished, stopped, failed
  int attempt = 1;
  int64_t step = 0;  ///< completed
  int64_t total_steps = 0;
  int64_t checkpoint_step = -1;       ///< newest published; -1: none
  int starts_without_checkpoint = 0;  ///< starts in a row that published nothing new (U11)
  int exit_code = -1;                 ///< -1 while running
  std::string message;                ///< of the error that ended it
};
std::string to_json(const RunStatus& status);
/// Nothing when there is no readable status.
std::optional<RunStatus> read_status(const std::filesystem::path& folder);

/// status.rank<R>.json: how one rank ended, where launchers lose exit codes. Throws Error(storage).
void write_rank_status(const std::filesystem::path& folder, int rank, const RunStatus& status);

/// A run directory in use by this process. The lock goes when the object (or the process) does.
class RunDirectory {
 public:
  /// Makes the folder and takes its lock, waiting up to `wait_seconds` for a dying predecessor.
  /// Throws Error(run_dir_in_use, "U1") naming the holder, Error(storage, "S7") when it cannot be
  /// written.
  explicit RunDirectory(const std::filesystem::path& folder, double wait_seconds = 10);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path checkpoints() const { return folder_ / "checkpoints"; }
  /// Status as the previous attempt left it; nothing on the first start.
  const std::optional<RunStatus>& previous() const { return previous_; }
  int attempt() const { return attempt_; }

  /// Replaces status.json; attempt is filled in.
  void write_status(RunStatus status) const;
  /// Replaces resolved.yaml; another text of an earlier attempt stays as resolved.<attempt>.yaml.
  void write_resolved(const std::string& yaml) const;

 private:
  std::filesystem::path folder_;
  int lock_ = -1;
  int attempt_ = 1;
  std::optional<RunStatus> previous_;
};

}  // namespace echelon::telemetry
