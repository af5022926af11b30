#pragma once
// A file that is written beside its final name and appears whole or not at all.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace echelon::data {

/// Buffered writer of `path`.<pid>.tmp; `publish` syncs and renames it to `path`. Destroyed before
/// that, it removes the temporary file. Throws Error(storage).
class StagedFile {
 public:
  explicit StagedFile(std::filesystem::path path);
  ~StagedFile();
  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(std::string_view bytes);
  /// The low `width` bytes of a value, little-endian.
  template <class T>
  void write_value(T value, size_t width) {
    static_assert(std::is_integral_v<T>);
    auto wide = static_cast<uint64_t>(static_cast<int64_t>(value));
    char raw[8];
    for (size_t i = 0; i < width; ++i, wide >>= 8) raw[i] = static_cast<char>(wide & 0xFF);
    write({raw, width});
  }
  /// Replaces the first bytes of what was written so far.
  void overwrite_start(std::span<const std::byte> bytes);
  /// Flushes, syncs and closes; further writes are an error.
  void seal();
  void publish();

 private:
  void flush();
  [[noreturn]] void failed(const char* doing) const;

  std::filesystem::path path_, temporary_;
  std::string buffer_;
  int fd_ = -1;
  bool staged_ = true;
};

}  // namespace echelon::data
