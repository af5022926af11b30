#include "echelon/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "echelon/base/handle.h"

namespace echelon {

namespace {

void close_fd(int fd) { ::close(fd); }
using Fd = Handle<int, close_fd, -1>;

/// Opens a regular file for reading and returns its size; refuses folders, pipes and devices.
std::pair<Fd, size_t> open_regular(const std::filesystem::path& path, ExitCode code) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) fail(code, "", "{}: cannot be opened: {}", path.string(), std::strerror(errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0)
    fail(code, "", "{}: cannot be examined: {}", path.string(), std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    fail(code, "", "{}: found {}, wanted a regular file", path.string(),
         S_ISDIR(info.st_mode) ? "a directory" : "a pipe, socket or device");
  return {std::move(fd), static_cast<size_t>(info.st_size)};
}

[[noreturn]] void storage_error(const std::filesystem::path& path, const char* doing) {
  const int code = errno;
  fail(ExitCode::storage, code == ENOSPC ? "S1" : "S2", "{}: {} failed: {}", path.string(), doing,
       std::strerror(code));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, ExitCode on_error) : path_(path) {
  auto [fd, size] = open_regular(path, on_error);
  size_ = size;
  if (size == 0) return;
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (p == MAP_FAILED)
    fail(on_error, "", "{}: cannot be mapped: {}", path.string(), std::strerror(errno));
  data_ = static_cast<const std::byte*>(p);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

OutputFile::OutputFile(const std::filesystem::path& path, Mode mode) : path_(path) {
  const int how = mode == Mode::create_exclusive ? O_EXCL
                  : mode == Mode::truncate       ? O_TRUNC
                                                 : O_APPEND;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
  if (fd_ < 0) storage_error(path_, "creating");
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) storage_error(path_, "writing");
    data = data.subspan(static_cast<size_t>(n));
  }
}

void OutputFile::sync() {
  if (::fsync(fd_) != 0) storage_error(path_, "syncing");
}

void OutputFile::close() {
  if (const int fd = std::exchange(fd_, -1); fd >= 0 && ::close(fd) != 0)
    storage_error(path_, "closing");
}

std::string read_file(const std::filesystem::path& path, size_t limit, ExitCode on_error) {
  auto [fd, size] = open_regular(path, on_error);
  if (size > limit)
    fail(on_error, "", "{}: found {} bytes, wanted at most {}", path.string(), size, limit);
  std::string content(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::read(fd.get(), content.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(on_error, "", "{}: reading stopped after {} of {} bytes: {}", path.string(), done, size,
           n == 0 ? "file shrank" : std::strerror(errno));
    done += static_cast<size_t>(n);
  }
  return content;
}

void sync_directory(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) storage_error(path, "opening");
  if (::fsync(fd.get()) != 0) storage_error(path, "syncing");
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  auto temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  try {
    OutputFile file(temporary, OutputFile::Mode::truncate);
    file.write(content);
    file.sync();
    file.close();
    std::filesystem::rename(temporary, path);
  } catch (const std::filesystem::filesystem_error& e) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    fail(ExitCode::storage, "S2", "{}: renaming failed: {}", path.string(), e.code().message());
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace echelon
