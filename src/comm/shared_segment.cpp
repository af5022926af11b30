#include "src/comm/shared_segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace echelon::comm {

SharedSegment SharedSegment::map(int fd, size_t bytes, int& error) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    error = errno;
    return {};
  }
  SharedSegment s;
  s.memory_ = {static_cast<std::byte*>(memory), [bytes](std::byte* p) { ::munmap(p, bytes); }};
  s.bytes_ = bytes;
  return s;
}

SharedSegment SharedSegment::create(const std::string& name, size_t bytes, int& error) {
  const int fd = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  if (fd < 0) {
    error = errno;
    return {};
  }
  SharedSegment s;
  error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (error == 0) s = map(fd, bytes, error);
  ::close(fd);
  if (error != 0) unlink(name);
  return s;
}

SharedSegment SharedSegment::open(const std::string& name, size_t bytes, int& error) {
  const int fd = ::shm_open(name.c_str(), O_RDWR, 0600);
  if (fd < 0) {
    error = errno;
    return {};
  }
  SharedSegment s = map(fd, bytes, error);
  ::close(fd);
  return s;
}

void SharedSegment::unlink(const std::string& name) noexcept { ::shm_unlink(name.c_str()); }

}  // namespace echelon::comm
