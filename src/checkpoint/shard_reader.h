#pragma once
// The shard files of one checkpoint, opened when first needed and checked against the manifest.
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "echelon/checkpoint/manifest.h"
#include "echelon/checkpoint/safetensors.h"

namespace echelon::checkpoint {

class ShardReader {
 public:
  ShardReader(std::filesystem::path checkpoint, const Manifest& manifest)
      : checkpoint_(std::move(checkpoint)), manifest_(manifest) {}

  /// Size, header checksum and identity of a shard. Throws Error(no_checkpoint, S10 to S14).
  const SafetensorsFile& open(int file);
  /// Where a chunk lies in its file; checks type and extents against the manifest.
  const TensorEntry& entry(const std::string& name, const TensorRecord& record, const Chunk& chunk);
  /// Reads a whole chunk and checks its checksum (S11).
  void read(const std::string& name, const TensorRecord& record, const Chunk& chunk,
            std::span<std::byte> into);

 private:
  std::filesystem::path checkpoint_;
  const Manifest& manifest_;
  std::map<int, SafetensorsFile> files_;
};

}  // namespace echelon::checkpoint
