#include "staged_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "echelon/base/file.h"

namespace echelon::data {

namespace {
constexpr size_t kBuffer = size_t{1} << 20;
}

StagedFile::StagedFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) {
  temporary_ += fmt::format(".{}.tmp", ::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) failed("creating");
  buffer_.reserve(kBuffer + 4096);
}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : path_(other.path_),
      temporary_(other.temporary_),
      buffer_(std::move(other.buffer_)),
      fd_(std::exchange(other.fd_, -1)),
      staged_(std::exchange(other.staged_, false)) {}

StagedFile::~StagedFile() {
  if (fd_ >= 0) ::close(fd_);
  if (staged_) ::unlink(temporary_.c_str());
}

void StagedFile::failed(const char* doing) const {
  const int code = errno;
  fail(ExitCode::storage, code == ENOSPC ? "S1" : "S2",
       "{}: {} failed: {}; nothing appears under the final name; "
       "make room or check the storage",
       temporary_.string(), doing, std::strerror(code));
}

void StagedFile::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBuffer) flush();
}

void StagedFile::flush() {
  for (std::string_view rest = buffer_; !rest.empty();) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed("writing");
    rest.remove_prefix(static_cast<size_t>(n));
  }
  buffer_.clear();
}

void StagedFile::overwrite_start(std::span<const std::byte> bytes) {
  flush();
  if (::pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    failed("writing");
}

void StagedFile::seal() {
  if (fd_ < 0) return;
  flush();
  if (::fsync(fd_) != 0) failed("syncing");
  if (::close(std::exchange(fd_, -1)) != 0) failed("closing");
}

void StagedFile::publish() {
  seal();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) failed("renaming");
  staged_ = false;
  sync_directory(path_.has_parent_path() ? path_.parent_path() : ".");
}

}  // namespace echelon::data
