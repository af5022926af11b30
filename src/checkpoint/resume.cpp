// Which checkpoint a run continues from: all ranks load the same one or none.
#include <nlohmann/json.hpp>

#include "echelon/base/log.h"
#include "echelon/checkpoint/checkpoint.h"
#include "echelon/checkpoint/folder.h"
#include "src/checkpoint/agree.h"

namespace echelon::checkpoint {

namespace fs = std::filesystem;

namespace {

/// Rank 0 reads the manifest and checks all shard headers; the other ranks get its text, so that a
/// slow file system is not asked for the same file by every rank. Its seal was checked then.
std::optional<Failure> try_load(const fs::path& path, const PiecesFor& pieces,
                                const LoadOptions& options, comm::Communicator& world,
                                Manifest& manifest) {
  std::optional<Failure> failure;
  std::string text;
  if (world.rank() == 0)
    failure = attempt([&] {
      manifest = read_manifest(path);
      verify_files(path, manifest);
      text = to_text(manifest);
    });
  failure = first_failure(world, failure);
  if (failure) return failure;
  if (world.size() > 1) {
    text = comm::broadcast(world, text, 0);
    failure = attempt([&] { manifest = parse_manifest(text, path.string()); });
  }
  if (!failure) failure = attempt([&] { load(path, manifest, pieces(manifest), options); });
  return first_failure(world, failure);
}

}  // namespace

std::optional<Resumed> load_newest(const fs::path& folder, const PiecesFor& pieces,
                                   const LoadOptions& options, comm::Communicator& world) {
  std::string list;
  if (world.rank() == 0) list = nlohmann::json(list_steps(folder)).dump();
  const auto steps =
      nlohmann::json::parse(comm::broadcast(world, list, 0)).get<std::vector<int64_t>>();
  if (steps.empty()) return std::nullopt;
  std::string reason;
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    Resumed resumed{folder / step_name(*it), {}};
    const auto failure = try_load(resumed.path, pieces, options, world, resumed.manifest);
    if (!failure) return resumed;
    if (failure->code != ExitCode::no_checkpoint)
      throw Error(failure->code, failure->id, failure->message);
    if (world.rank() == 0)
      log::warn("{} {}; trying the one before it", failure->id, failure->message);
    if (reason.empty()) reason = failure->message;
  }
  fail(ExitCode::no_checkpoint, "S13",
       "{}: found {} checkpoints, none of them usable; the newest: {}; restore a copy, or set "
       "checkpoint.resume: never and another run name to start anew",
       folder.string(), steps.size(), reason);
}

Resumed load_from(const fs::path& checkpoint, const PiecesFor& pieces, const LoadOptions& options,
                  comm::Communicator& world) {
  Resumed resumed{checkpoint, {}};
  const auto failure = try_load(checkpoint, pieces, options, world, resumed.manifest);
  if (failure) throw Error(failure->code, failure->id, failure->message);
  return resumed;
}

}  // namespace echelon::checkpoint
