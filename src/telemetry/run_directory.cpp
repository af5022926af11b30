#include "echelon/telemetry/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/base/text.h"

namespace echelon::telemetry {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void unusable(const fs::path& path, const char* doing, int code) {
  fail(ExitCode::storage, "S7",
       "{}: {} failed: {}; user id {}; choose a run directory that this user may write",
       path.string(), doing, std::strerror(code), ::geteuid());
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> buffer{};
  std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return buffer.data();
}

std::string host_name() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return host.data();
}

/// Who holds the lock, for the message of the one who does not get it.
std::string holder_text() {
  std::string text =
      fmt::format("host {}, process {}, since {}", host_name(), ::getpid(), now_text());
  for (const char* job : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"})
    if (const char* id = std::getenv(job))
      text += fmt::format(", {}={}", job, text::escaped(id, 40));
  return text + "\n";
}

int take_lock(const fs::path& path, double wait_seconds) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) unusable(path, "opening", errno);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(wait_seconds);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (code != EWOULDBLOCK && code != EINTR) {
      ::close(fd);
      unusable(path, "locking", code);
    }
    if (std::chrono::steady_clock::now() > until) {
      std::array<char, 512> holder{};
      const ssize_t n = ::pread(fd, holder.data(), holder.size() - 1, 0);
      ::close(fd);
      std::string who = n > 0 ? std::string(holder.data(), static_cast<size_t>(n)) : "";
      while (!who.empty() && who.back() == '\n') who.pop_back();
      fail(ExitCode::run_dir_in_use, "U1",
           "{}: in use by {}; waited {}; nothing was changed; stop that job or choose another run "
           "name",
           path.parent_path().string(), who.empty() ? "an unknown process" : text::escaped(who),
           text::duration(wait_seconds));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return fd;
}

void write_holder(int fd, const fs::path& path) {
  const std::string text = holder_text();
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    unusable(path, "writing", errno);
}

}  // namespace

std::string to_json(const RunStatus& s) {
  const nlohmann::ordered_json json = {{"state", s.state},
                                       {"attempt", s.attempt},
                                       {"step", s.step},
                                       {"total_steps", s.total_steps},
                                       {"checkpoint_step", s.checkpoint_step},
                                       {"starts_without_checkpoint", s.starts_without_checkpoint},
                                       {"exit_code", s.exit_code},
                                       {"message", s.message},
                                       {"host", host_name()},
                                       {"process", ::getpid()},
                                       {"time", now_text()}};
  return json.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<RunStatus> read_status(const fs::path& folder) {
  try {
    const auto json = nlohmann::json::parse(read_file(folder / "status.json", 1 << 20));
    RunStatus s;
    s.state = json.at("state").get<std::string>();
    s.attempt = json.at("attempt").get<int>();
    s.step = json.at("step").get<int64_t>();
    s.total_steps = json.at("total_steps").get<int64_t>();
    s.checkpoint_step = json.at("checkpoint_step").get<int64_t>();
    s.starts_without_checkpoint = json.at("starts_without_checkpoint").get<int>();
    s.exit_code = json.at("exit_code").get<int>();
    s.message = json.at("message").get<std::string>();
    return s;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void write_rank_status(const fs::path& folder, int rank, const RunStatus& status) {
  write_file_atomically(folder / fmt::format("status.rank{}.json", rank), to_json(status));
}

RunDirectory::RunDirectory(const fs::path& folder, double wait_seconds) : folder_(folder) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) unusable(folder_, "creating", error.value());
  lock_ = take_lock(folder_ / "lock", wait_seconds);
  try {
    write_holder(lock_, folder_ / "lock");
    previous_ = read_status(folder_);
    attempt_ = previous_ ? previous_->attempt + 1 : 1;
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunDirectory::~RunDirectory() { ::close(lock_); }

void RunDirectory::write_status(RunStatus status) const {
  status.attempt = attempt_;
  write_file_atomically(folder_ / "status.json", to_json(status));
}

void RunDirectory::write_resolved(const std::string& yaml) const {
  const fs::path path = folder_ / "resolved.yaml";
  if (fs::exists(path)) {
    if (read_file(path, size_t{16} << 20, ExitCode::storage) == yaml) return;
    std::error_code error;
    fs::rename(path, folder_ / fmt::format("resolved.{}.yaml", attempt_ - 1), error);
    if (error) unusable(path, "renaming", error.value());
  }
  write_file_atomically(path, yaml);
}

}  // namespace echelon::telemetry
