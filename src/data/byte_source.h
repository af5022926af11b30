#pragma once
// Bytes of one file, by position.
#include <memory>
#include <string>
#include <vector>

#include "echelon/base/file.h"
#include "echelon/base/handle.h"
#include "echelon/data/token_file.h"

namespace echelon::data {

/// An open regular file. Reads outside its size at opening are an error (D1), as is a file that
/// shrank since (D9, pread only). Thread-safe.
class ByteSource {
 public:
  ByteSource(const std::string& path, FileIo io);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  /// Fills `out` from byte `at` on.
  void read(int64_t at, std::span<std::byte> out) const;
  std::vector<std::byte> read(int64_t at, int64_t bytes) const;

 private:
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  MappedFile map_;
};

/// A little-endian value at an unaligned place.
template <class T>
T load(const std::byte* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof(T));
  return value;
}

/// Layouts by format; `path` is a prefix (Megatron) or a file. Errors as open_token_file.
TokenFile::Layout open_megatron(const std::string& prefix, FileIo io);
TokenFile::Layout open_llmc(const std::vector<std::string>& paths, FileIo io);
TokenFile::Layout open_raw_u16(const std::vector<std::string>& paths, FileIo io);
inline constexpr int32_t kLlmcMagicU16 = 20240520, kLlmcMagicU32 = 20240801;
inline constexpr int32_t kLlmcVersionU16 = 1, kLlmcVersionU32 = 7;
inline constexpr int64_t kLlmcHeader = 1024;
inline constexpr std::string_view kMegatronMagic{"MMIDIDX\0\0", 9};

}  // namespace echelon::data
