#pragma once
// The manifest of a checkpoint: which logical tensor lies where. Small and human-readable; its
// SHA-256 stands beside it, so a checkpoint is complete exactly when both are there and agree.
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "echelon/checkpoint/boxes.h"
#include "echelon/device/dtype.h"

namespace echelon::checkpoint {

struct ShardFile {
  std::string path;  ///< one component: letters, digits, '.', '_', '-'
  int rank = 0;
  uint64_t bytes = 0, header_bytes = 0;
  uint32_t header_crc32c = 0;
};

/// One stored box of a tensor.
struct Chunk {
  int file = 0;     ///< index in Manifest::files
  std::string key;  ///< name inside the file
  Box box;
  uint32_t crc32c = 0;
};

struct TensorRecord {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<Chunk> chunks;  ///< tile the shape exactly once
  int64_t bytes() const { return shape.elements() * static_cast<int64_t>(size_of(dtype)); }
};

struct Manifest {
  std::string run;
  int64_t step = 0;
  std::vector<ShardFile> files;
  std::map<std::string, TensorRecord> tensors;
  /// Everything else at the top level: layout, consumed_samples, consumed_tokens, seed, config, ...
  nlohmann::json extra = nlohmann::json::object();
};

/// Throws Error(no_checkpoint) naming the first tensor that is not tiled exactly once.
void verify_tiling(const Manifest& manifest, const std::string& path);

std::string to_text(const Manifest& manifest);
/// Throws Error(no_checkpoint, "S12", "X13", "X16") naming `path` and the field.
Manifest parse_manifest(const std::string& text, const std::string& path);
/// Digest, structure, tiling, and that the folder's name says the same step. Reads no tensor.
Manifest read_manifest(const std::filesystem::path& checkpoint);
/// Writes manifest.json and manifest.json.sha256 and syncs both. Throws Error(storage).
void write_manifest(const std::filesystem::path& checkpoint, const Manifest& manifest);

}  // namespace echelon::checkpoint
