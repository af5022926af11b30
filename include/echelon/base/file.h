#pragma once
// Files: read-only maps, whole reads with a limit, and writes that survive a crash.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "echelon/base/error.h"

namespace echelon {

/// Read-only memory map of a regular file. Throws Error(code) naming the file otherwise.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path, ExitCode on_error = ExitCode::data);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  size_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Sole owner of a file opened for writing; every call throws Error(storage) with path and errno.
class OutputFile {
 public:
  enum class Mode { create_exclusive, truncate, append };
  OutputFile(const std::filesystem::path& path, Mode mode);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(std::span<const std::byte> data);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void sync();
  /// Closes and reports a late write error; the destructor closes silently.
  void close();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

/// Whole content of a regular file of at most `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit,
                      ExitCode on_error = ExitCode::data);
/// Write to a temporary name, sync, rename, sync the folder: the old or the new content, never
/// half.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
void sync_directory(const std::filesystem::path& path);
/// SHA-256 as 64 lower-case hex digits (FIPS 180-4).
std::string sha256_hex(std::span<const std::byte> data);
/// CRC-32C (Castagnoli): crc32c("123456789") == 0xE3069283. `previous` continues an earlier result.
uint32_t crc32c(std::span<const std::byte> data, uint32_t previous = 0);

}  // namespace echelon
