#include <cstring>

#include "echelon/checkpoint/safetensors.h"
#include "src/checkpoint/input_file.h"

namespace echelon::checkpoint {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(std::make_unique<InputFile>(path)) {
  std::vector<std::byte> head(std::min<uint64_t>(file_->size(), 8));
  file_->read(0, head);
  if (head.size() == 8) {
    uint64_t length = 0;
    std::memcpy(&length, head.data(), 8);
    // A lying length is refused by parse_safetensors; never allocate by it.
    if (length <= 100'000'000 && length <= file_->size() - 8) {
      head.resize(8 + length);
      file_->read(8, std::span(head).subspan(8));
    }
  }
  header_ = parse_safetensors(head, file_->size(), path.string());
  header_crc_ = crc32c(head);
  for (size_t i = 0; i < header_.tensors.size(); ++i) by_name_[header_.tensors[i].name] = i;
}

SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &header_.tensors[it->second];
}

void SafetensorsFile::read(const TensorEntry& entry, std::span<std::byte> into) const {
  ECH_CHECK(into.size() == entry.bytes(), "'{}' has {} bytes, room for {}", entry.name,
            entry.bytes(), into.size());
  file_->read(header_.data_start + entry.begin, into);
}

uint64_t SafetensorsFile::file_bytes() const { return file_->size(); }

}  // namespace echelon::checkpoint
