#include "src/checkpoint/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "echelon/base/error.h"

namespace echelon::checkpoint {

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd_ < 0) {
    const int code = errno;
    fail(ExitCode::no_checkpoint, code == ENOENT ? "S13" : "S6", "{}: cannot be opened: {}",
         path.string(), code == ELOOP ? "it is a link" : std::strerror(code));
  }
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail(ExitCode::no_checkpoint, "X13", "{}: wanted a regular file", path.string());
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(uint64_t offset, std::span<std::byte> into) const {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t n =
        ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(ExitCode::no_checkpoint, "S6", "{}: offset {}: found {} of {} bytes: {}", path_.string(),
           offset, done, into.size(), n == 0 ? "the file ends" : std::strerror(errno));
    done += static_cast<size_t>(n);
  }
}

}  // namespace echelon::checkpoint
