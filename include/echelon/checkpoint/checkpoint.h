#pragma once
// Sharded checkpoints that know no layout. Every rank says which boxes of which logical tensors it
// holds; saving writes them, loading fills them from whatever boxes were saved.
//
//   <folder>/step-00001000/rank-00000.safetensors ... manifest.json manifest.json.sha256
//   <folder>/latest                                a hint for people and scripts
//
// At every instant at least one complete checkpoint exists once the first one was published.
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "echelon/checkpoint/config.h"
#include "echelon/checkpoint/manifest.h"
#include "echelon/comm/communicator.h"
#include "echelon/tensor/tensor.h"

namespace echelon::checkpoint {

/// This rank's part of one logical tensor. One list serves saving (data is read) and loading (data
/// is written). `name` is "<section>/<logical name>": "model/h.0.attn.q.weight",
/// "optim.exp_avg/...".
struct Piece {
  std::string name;
  Shape whole;        ///< true extents of the logical tensor
  Box box;            ///< the part of `whole` in `data`
  Tensor data;        ///< host; as many elements as `box`, row-major; its dtype is the stored one
  bool owned = true;  ///< false: another rank saves this part; it is loaded here all the same
};

struct SaveOptions {
  std::string run;  ///< identity of the run, stored in every file
  int64_t step = 0;
  Retention retention;
  bool megatron_tracker = false;
  bool verify_data = false;  ///< read everything back before older checkpoints may go
};

struct SaveReport {
  std::filesystem::path path;
  int64_t bytes = 0;  ///< of all ranks' shards
  double seconds = 0;
  std::vector<std::string> removed;  ///< rank 0: names of checkpoints that retention deleted
};

/// What one rank will write: pieces and their checksums, taken while training stands still. A
/// background writer gets one of these with `copy`; the plain save works on the live tensors.
struct Snapshot {
  std::vector<Piece> pieces;  ///< owned and not empty
  std::vector<uint32_t> crc32c;
};
Snapshot take_snapshot(std::span<const Piece> pieces, Allocator* copy_into = nullptr);

/// Collective over `world`. `extra` (rank 0's counts) joins the top level of the manifest. Either
/// every rank returns and the checkpoint is published, or every rank throws the same
/// Error(storage), nothing was published, earlier checkpoints are untouched and the unfinished
/// folder is removed.
SaveReport save(const std::filesystem::path& folder, const Snapshot& snapshot,
                const nlohmann::json& extra, const SaveOptions& options, comm::Communicator& world);
SaveReport save(const std::filesystem::path& folder, std::span<const Piece> pieces,
                const nlohmann::json& extra, const SaveOptions& options, comm::Communicator& world);

struct LoadOptions {
  bool convert_floats = false;  ///< allow f32 <-> bf16 <-> f16 <-> f64; otherwise dtypes must agree
  bool allow_nonfinite = false;  ///< otherwise NaN or infinity in a loaded tensor is refused (X14)
};

/// Fills `pieces` from one checkpoint; every byte used was checked against its checksum.
/// Error(no_checkpoint): damaged. Error(resume_mismatch, "U3"): a tensor is missing or has another
/// shape or dtype; the first ten are listed. Not collective.
void load(const std::filesystem::path& checkpoint, const Manifest& manifest,
          std::span<const Piece> pieces, const LoadOptions& options = {});

/// Sizes, header checksums and identities of all shard files, no data.
void verify_files(const std::filesystem::path& checkpoint, const Manifest& manifest);
/// Every chunk's checksum. Returns the bytes read.
int64_t verify_data(const std::filesystem::path& checkpoint, const Manifest& manifest);

struct Resumed {
  std::filesystem::path path;
  Manifest manifest;
};
/// Makes the pieces to fill; called once per candidate, with the manifest. May throw
/// Error(resume_mismatch), which ends the search.
using PiecesFor = std::function<std::vector<Piece>(const Manifest&)>;

/// Collective. Goes through the checkpoints of `folder` from the newest; one that is damaged on any
/// rank is passed over with a warning. Nothing when the folder holds no checkpoint at all;
/// Error(no_checkpoint) when there are some but none is usable.
std::optional<Resumed> load_newest(const std::filesystem::path& folder, const PiecesFor& pieces,
                                   const LoadOptions& options, comm::Communicator& world);
/// Collective. One given checkpoint, no fallback.
Resumed load_from(const std::filesystem::path& checkpoint, const PiecesFor& pieces,
                  const LoadOptions& options, comm::Communicator& world);

}  // namespace echelon::checkpoint
