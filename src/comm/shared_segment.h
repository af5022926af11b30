#pragma once
// POSIX shared memory of the ranks of one host. One rank creates, the others open, then the name is
// removed: a rank that is killed later leaves nothing behind.
#include <cstddef>
#include <memory>
#include <string>

namespace echelon::comm {

class SharedSegment {
 public:
  /// New, zeroed. `error` (an errno) is set and the segment empty when there is no room: all
  /// pages are reserved now, so that no later touch can fail.
  static SharedSegment create(const std::string& name, size_t bytes, int& error);
  static SharedSegment open(const std::string& name, size_t bytes, int& error);
  static void unlink(const std::string& name) noexcept;

  SharedSegment() = default;
  std::byte* data() const { return memory_.get(); }
  size_t size() const { return bytes_; }
  /// Keeps the mapping alive beyond this object.
  const std::shared_ptr<std::byte>& memory() const { return memory_; }

 private:
  static SharedSegment map(int fd, size_t bytes, int& error);
  std::shared_ptr<std::byte> memory_;
  size_t bytes_ = 0;
};

}  // namespace echelon::comm
