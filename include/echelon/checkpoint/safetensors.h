#pragma once
// The safetensors format: u64 length, JSON header, data. The reader trusts nothing: lengths, names,
// shapes and ranges are checked before a byte of data is used (docs: rows X1 to X12 of the fault
// catalogue). Nothing else is ever interpreted; pickle is named and refused.
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/device/dtype.h"

namespace echelon::checkpoint {

class InputFile;

/// The format's name of a dtype ("BF16"), and back; nothing for types Echelon does not compute
/// with.
std::string_view safetensors_name(DType dtype);
std::optional<DType> dtype_of(std::string_view safetensors_name);

struct TensorEntry {
  std::string name;
  std::string dtype;  ///< the format's name
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< relative to data_start
  uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  ///< ordered by begin
  uint64_t data_start = 0;           ///< 8 + length of the JSON text
};

/// Checks and decodes the first bytes of a file of `file_bytes` bytes; `head` holds at least the
/// whole header. Throws Error(no_checkpoint, X1..X12) naming `path`, tensor, found and wanted.
SafetensorsHeader parse_safetensors(std::span<const std::byte> head, uint64_t file_bytes,
                                    const std::string& path);

/// An open file whose header was checked. Reads with pread: a file cut meanwhile is an error, not
/// a SIGBUS. Throws Error(no_checkpoint).
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::vector<TensorEntry>& tensors() const { return header_.tensors; }
  const TensorEntry* find(std::string_view name) const;  ///< null when absent
  /// `into` has exactly entry.bytes() bytes.
  void read(const TensorEntry& entry, std::span<std::byte> into) const;

  const std::filesystem::path& path() const { return path_; }
  uint64_t file_bytes() const;
  uint64_t header_bytes() const { return header_.data_start; }
  uint32_t header_crc32c() const { return header_crc_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<InputFile> file_;
  SafetensorsHeader header_;
  std::map<std::string, size_t, std::less<>> by_name_;
  uint32_t header_crc_ = 0;
};

/// One tensor to write. `data` stays valid until the call returns.
struct TensorSource {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
  /// Checksum taken earlier; bytes that differ when they are written throw Error(storage, "S27").
  std::optional<uint32_t> crc32c;
};

struct WrittenFile {
  uint64_t bytes = 0, header_bytes = 0;
  uint32_t header_crc32c = 0;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// The length and JSON text for `sources`, which are put in file order: by decreasing alignment,
/// then by name. Metadata keeps its order; `format: pt` comes first.
std::string safetensors_header(std::vector<TensorSource>& sources, const Metadata& metadata);
/// Writes and syncs a file. Throws Error(storage).
WrittenFile write_safetensors(const std::filesystem::path& path, std::vector<TensorSource> sources,
                              const Metadata& metadata,
                              OutputFile::Mode mode = OutputFile::Mode::create_exclusive);

}  // namespace echelon::checkpoint
