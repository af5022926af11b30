#pragma once
// Reads at offsets of a regular file; links are not followed. Throws Error(no_checkpoint, "S6").
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace echelon::checkpoint {

class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  uint64_t size() const { return size_; }
  void read(uint64_t offset, std::span<std::byte> into) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace echelon::checkpoint
