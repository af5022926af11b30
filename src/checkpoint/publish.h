#pragma once
// Rank 0's half of saving: the steps that turn finished shards into a checkpoint.
#include <filesystem>
#include <string>

#include "echelon/checkpoint/checkpoint.h"

namespace echelon::checkpoint {

/// Creates the folder if needed and a fresh `unfinished` in it.
void make_unfinished(const std::filesystem::path& folder, const std::filesystem::path& unfinished);
/// A rank's part of the manifest (its tensors are not tiled by themselves).
Manifest parse_part(const std::string& text);
/// Manifest and seal, syncs, verification, rename, sync of the folder, `latest`.
void publish(const std::filesystem::path& folder, const std::filesystem::path& unfinished,
             const Manifest& manifest, const SaveOptions& options);

}  // namespace echelon::checkpoint
