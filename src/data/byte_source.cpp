#include "byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace echelon::data {

ByteSource::ByteSource(const std::string& path, FileIo io) : path_(path) {
  if (io == FileIo::mmap) {
    map_ = MappedFile(path, ExitCode::data);
    size_ = static_cast<int64_t>(map_.size());
    return;
  }
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0)
    fail(ExitCode::data, "D1", "{}: cannot be opened: {}; the run ends; check data.data_path", path,
         std::strerror(errno));
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail(ExitCode::data, "D1", "{}: found {}, wanted a regular file; the run ends", path,
         S_ISDIR(info.st_mode) ? "a directory" : "a pipe, socket or device");
  }
  size_ = info.st_size;
}

ByteSource::~ByteSource() {
  if (fd_ >= 0) ::close(fd_);
}

void ByteSource::read(int64_t at, std::span<std::byte> out) const {
  const auto wanted = static_cast<int64_t>(out.size());
  if (at < 0 || wanted > size_ || at > size_ - wanted)
    fail(ExitCode::data, "D1",
         "{}: found {} bytes, wanted {} from byte {}; the run ends; make the file anew", path_,
         size_, wanted, at);
  if (fd_ < 0) {
    if (!out.empty()) std::memcpy(out.data(), map_.bytes().data() + at, out.size());
    return;
  }
  constexpr int kTries = 3;
  for (int failures = 0; !out.empty();) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), at);
    if (n > 0) {
      out = out.subspan(static_cast<size_t>(n));
      at += n;
    } else if (n == 0) {
      fail(ExitCode::data, "D9",
           "{}: the file ends at byte {}, wanted {} bytes: it was cut while in use; "
           "the run ends; restore the file",
           path_, at, size_);
    } else if (errno != EINTR && ++failures >= kTries) {
      fail(ExitCode::data, "D14",
           "{}: reading at byte {} failed {} times: {}; the run ends; check the storage", path_, at,
           kTries, std::strerror(errno));
    }
  }
}

std::vector<std::byte> ByteSource::read(int64_t at, int64_t bytes) const {
  if (bytes < 0 || bytes > size_)
    fail(ExitCode::data, "D1",
         "{}: found {} bytes, wanted {} from byte {}; the run ends; make the file anew", path_,
         size_, bytes, at);
  std::vector<std::byte> data(static_cast<size_t>(bytes));
  read(at, data);
  return data;
}

}  // namespace echelon::data
