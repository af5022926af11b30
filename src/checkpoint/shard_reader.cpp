#include "src/checkpoint/shard_reader.h"

#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/checkpoint/checkpoint.h"

namespace echelon::checkpoint {

const SafetensorsFile& ShardReader::open(int index) {
  if (const auto it = files_.find(index); it != files_.end()) return it->second;
  const ShardFile& wanted = manifest_.files.at(static_cast<size_t>(index));
  SafetensorsFile file(checkpoint_ / wanted.path);
  const std::string path = file.path().string();
  if (file.file_bytes() != wanted.bytes)
    fail(ExitCode::no_checkpoint, "S10", "{}: found {} bytes, wanted {}", path, file.file_bytes(),
         wanted.bytes);
  const auto identity = [&](const char* key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string("nothing") : it->second;
  };
  if (identity("echelon.run") != manifest_.run ||
      identity("echelon.step") != std::to_string(manifest_.step) ||
      identity("echelon.rank") != std::to_string(wanted.rank))
    fail(ExitCode::no_checkpoint, "S14",
         "{}: found run '{}' step {} rank {}, wanted run '{}' step {} rank {}", path,
         text::escaped(identity("echelon.run"), 40), text::escaped(identity("echelon.step"), 20),
         text::escaped(identity("echelon.rank"), 20), text::escaped(manifest_.run, 40),
         manifest_.step, wanted.rank);
  if (file.header_bytes() != wanted.header_bytes || file.header_crc32c() != wanted.header_crc32c)
    fail(ExitCode::no_checkpoint, "S12", "{}: header checksum: found {:08x}, wanted {:08x}", path,
         file.header_crc32c(), wanted.header_crc32c);
  return files_.emplace(index, std::move(file)).first->second;
}

const TensorEntry& ShardReader::entry(const std::string& name, const TensorRecord& record,
                                      const Chunk& chunk) {
  const SafetensorsFile& file = open(chunk.file);
  const TensorEntry* entry = file.find(chunk.key);
  if (!entry || entry->shape != chunk.box.size || entry->dtype != safetensors_name(record.dtype))
    fail(ExitCode::no_checkpoint, "S12", "{}: chunk {} of tensor '{}' {}", file.path().string(),
         to_string(chunk.box), text::escaped(name),
         entry ? "has another shape or type there" : "is not there");
  return *entry;
}

void ShardReader::read(const std::string& name, const TensorRecord& record, const Chunk& chunk,
                       std::span<std::byte> into) {
  const TensorEntry& where = entry(name, record, chunk);
  const SafetensorsFile& file = open(chunk.file);
  file.read(where, into);
  const uint32_t found = crc32c(into);
  if (found != chunk.crc32c)
    fail(ExitCode::no_checkpoint, "S11",
         "{}: tensor '{}', chunk {}: checksum: found {:08x}, wanted {:08x}", file.path().string(),
         text::escaped(name), to_string(chunk.box), found, chunk.crc32c);
}

void verify_files(const std::filesystem::path& checkpoint, const Manifest& manifest) {
  ShardReader reader(checkpoint, manifest);
  for (const auto& [name, record] : manifest.tensors)
    for (const Chunk& chunk : record.chunks) reader.entry(name, record, chunk);
  for (size_t i = 0; i < manifest.files.size(); ++i) reader.open(static_cast<int>(i));
}

int64_t verify_data(const std::filesystem::path& checkpoint, const Manifest& manifest) {
  ShardReader reader(checkpoint, manifest);
  int64_t bytes = 0;
  std::vector<std::byte> buffer;
  for (const auto& [name, record] : manifest.tensors)
    for (const Chunk& chunk : record.chunks) {
      buffer.resize(static_cast<size_t>(volume(chunk.box)) * size_of(record.dtype));
      reader.read(name, record, chunk, buffer);
      bytes += static_cast<int64_t>(buffer.size());
    }
  for (size_t i = 0; i < manifest.files.size(); ++i) reader.open(static_cast<int>(i));
  return bytes;
}

}  // namespace echelon::checkpoint
