// Saving: shards in step-N.tmp, then the manifest, then one rename makes them a checkpoint.
#include <chrono>
#include <map>

#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/checkpoint/checkpoint.h"
#include "echelon/checkpoint/folder.h"
#include "echelon/checkpoint/safetensors.h"
#include "src/checkpoint/agree.h"
#include "src/checkpoint/publish.h"

namespace echelon::checkpoint {

namespace fs = std::filesystem;

namespace {

std::string shard_name(int rank) { return fmt::format("rank-{:05d}.safetensors", rank); }

/// What the ranks tell rank 0 about their shards: one small manifest each.
struct Shard {
  std::vector<TensorSource> sources;
  Manifest part;
  Metadata metadata;
};

Shard plan_shard(const Snapshot& snapshot, const SaveOptions& options, int rank) {
  Shard shard;
  std::map<std::string, int> seen;
  nlohmann::ordered_json saved_offsets;
  bool unique = true;
  for (size_t i = 0; i < snapshot.pieces.size(); ++i) {
    const Piece& piece = snapshot.pieces[i];
    const int n = seen[piece.name]++;
    unique = unique && n == 0;
    const std::string key = n == 0 ? piece.name : fmt::format("{}#{}", piece.name, n);
    shard.sources.push_back({key,
                             std::string(safetensors_name(piece.data.dtype())),
                             piece.box.size,
                             {piece.data.raw(), piece.data.bytes()},
                             snapshot.crc32c[i]});
    auto& record = shard.part.tensors[piece.name];
    ECH_CHECK(n == 0 || (record.shape == piece.whole && record.dtype == piece.data.dtype()),
              "'{}': two pieces disagree on shape or dtype", piece.name);
    record.shape = piece.whole;
    record.dtype = piece.data.dtype();
    record.chunks.push_back({0, key, piece.box, snapshot.crc32c[i]});
    saved_offsets[key] = {{"saved_offsets", piece.box.offset}};
  }
  shard.metadata = {{"echelon.run", options.run},
                    {"echelon.step", std::to_string(options.step)},
                    {"echelon.rank", std::to_string(rank)}};
  if (unique) shard.metadata.emplace_back("DCP_SHARDING_INFO", saved_offsets.dump());
  return shard;
}

/// Writes this rank's shard; the text is its part of the manifest, empty when it has nothing to
/// save.
std::string write_shard(const fs::path& folder, const Snapshot& snapshot,
                        const SaveOptions& options, int rank) {
  if (snapshot.pieces.empty()) return {};
  Shard shard = plan_shard(snapshot, options, rank);
  int64_t wanted = 0;
  for (const Piece& piece : snapshot.pieces) wanted += static_cast<int64_t>(piece.data.bytes());
  const fs::path path = folder / shard_name(rank);
  try {
    const WrittenFile written = write_safetensors(path, std::move(shard.sources), shard.metadata);
    shard.part.files.push_back(
        {shard_name(rank), rank, written.bytes, written.header_bytes, written.header_crc32c});
  } catch (const Error& e) {
    std::error_code unknown;
    const auto space = fs::space(folder, unknown);
    fail(e.code(), e.id(), "rank {}: {} (wanted {}, free {})", rank, e.what(),
         text::bytes(static_cast<double>(wanted)),
         unknown ? "unknown" : text::bytes(static_cast<double>(space.available)));
  }
  shard.part.step = options.step;
  return to_text(shard.part);
}

/// Joins the ranks' parts. Two ranks that disagree on a tensor are a bug of the caller.
Manifest join_parts(const std::vector<std::string>& parts, const nlohmann::json& extra,
                    const SaveOptions& options) {
  Manifest all;
  all.run = options.run;
  all.step = options.step;
  all.extra = extra.is_null() ? nlohmann::json::object() : extra;
  for (const std::string& text : parts) {
    if (text.empty()) continue;
    Manifest part = parse_part(text);
    const int file = static_cast<int>(all.files.size());
    all.files.push_back(part.files.at(0));
    for (auto& [name, record] : part.tensors) {
      auto [it, fresh] =
          all.tensors.try_emplace(name, TensorRecord{record.dtype, record.shape, {}});
      ECH_CHECK(fresh || (it->second.dtype == record.dtype && it->second.shape == record.shape),
                "rank {} holds '{}' as {} {}, another rank as {} {}", part.files[0].rank, name,
                name_of(record.dtype), echelon::to_string(record.shape), name_of(it->second.dtype),
                echelon::to_string(it->second.shape));
      for (Chunk& chunk : record.chunks) {
        chunk.file = file;
        it->second.chunks.push_back(std::move(chunk));
      }
    }
  }
  ECH_CHECK(!all.tensors.empty(), "no rank has anything to save");
  verify_tiling(all, "checkpoint to be written");
  return all;
}

/// Throws the agreed failure on every rank, after rank 0 removed what was unfinished.
void settle(const std::optional<Failure>& mine, const fs::path& unfinished,
            const SaveOptions& options, comm::Communicator& world) {
  const auto failure = first_failure(world, mine);
  if (!failure) return;
  if (world.rank() == 0) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
  }
  // Reading back what was just written belongs to writing it.
  const ExitCode code =
      failure->code == ExitCode::no_checkpoint ? ExitCode::storage : failure->code;
  fail(code, failure->id,
       "checkpoint of step {}: {}; nothing was published, earlier checkpoints are untouched{}",
       options.step, failure->message,
       code == ExitCode::storage
           ? "; make space or change checkpoint.save, then start the same command again"
           : "");
}

}  // namespace

SaveReport save(const fs::path& folder, const Snapshot& snapshot, const nlohmann::json& extra,
                const SaveOptions& options, comm::Communicator& world) {
  ECH_CHECK(options.step >= 0 && options.step <= 99'999'999, "step {}", options.step);
  const auto begin = std::chrono::steady_clock::now();
  const fs::path unfinished = folder / (step_name(options.step) + ".tmp");
  const bool root = world.rank() == 0;
  std::optional<Failure> failure;
  if (root)
    failure = attempt([&] {
      to_delete({}, {}, options.retention);  // a rule that keeps nothing is refused before writing
      make_unfinished(folder, unfinished);
    });
  settle(failure, unfinished, options, world);

  std::string part;
  failure = attempt([&] { part = write_shard(unfinished, snapshot, options, world.rank()); });
  settle(failure, unfinished, options, world);

  SaveReport report;
  report.path = folder / step_name(options.step);
  const auto parts = gather_texts(world, part);
  if (root)
    failure = attempt([&] {
      const Manifest manifest = join_parts(parts, extra, options);
      publish(folder, unfinished, manifest, options);
      for (const ShardFile& file : manifest.files) report.bytes += static_cast<int64_t>(file.bytes);
    });
  settle(failure, unfinished, options, world);
  report.bytes =
      comm::all_reduce(world, std::vector<int64_t>{report.bytes}, comm::ReduceOp::max)[0];
  if (root) report.removed = prune(folder, options.retention);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

SaveReport save(const fs::path& folder, std::span<const Piece> pieces, const nlohmann::json& extra,
                const SaveOptions& options, comm::Communicator& world) {
  // A piece that does not fit its box must not make one rank leave before the others.
  Snapshot snapshot;
  const auto failure = first_failure(world, attempt([&] { snapshot = take_snapshot(pieces); }));
  if (failure) throw Error(failure->code, failure->id, failure->message);
  return save(folder, snapshot, extra, options, world);
}

}  // namespace echelon::checkpoint
