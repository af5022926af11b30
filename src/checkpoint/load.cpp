// Loading under any layout: every wanted box is put together from the stored boxes it meets.
#include <algorithm>
#include <set>
#include <tuple>

#include "echelon/base/text.h"
#include "echelon/checkpoint/checkpoint.h"
#include "src/checkpoint/convert.h"
#include "src/checkpoint/shard_reader.h"

namespace echelon::checkpoint {

namespace {

/// One chunk to read and the pieces that want part of it.
struct Read {
  const std::string* name;
  const TensorRecord* record;
  const Chunk* chunk;
  std::vector<std::pair<const Piece*, Box>> wanted;
};

/// What about `piece` does not fit the checkpoint, or nothing.
std::string mismatch(const Piece& piece, const Manifest& manifest, const LoadOptions& options) {
  const auto it = manifest.tensors.find(piece.name);
  if (it == manifest.tensors.end())
    return fmt::format("{}: found nothing, wanted {} {}", text::escaped(piece.name),
                       name_of(piece.data.dtype()), echelon::to_string(piece.whole));
  const TensorRecord& record = it->second;
  if (!(record.shape == piece.whole))
    return fmt::format("{}: found shape {}, wanted {}", text::escaped(piece.name),
                       echelon::to_string(record.shape), echelon::to_string(piece.whole));
  const DType wanted = piece.data.dtype();
  if (record.dtype != wanted &&
      !(options.convert_floats && is_float(record.dtype) && is_float(wanted)))
    return fmt::format("{}: found type {}, wanted {}{}", text::escaped(piece.name),
                       name_of(record.dtype), name_of(wanted),
                       is_float(record.dtype) && is_float(wanted)
                           ? " (checkpoint.convert_dtype: true allows it)"
                           : "");
  return {};
}

void check_pieces(std::span<const Piece> pieces, const Manifest& manifest, const std::string& path,
                  const LoadOptions& options) {
  std::set<std::string> faults;
  for (const Piece& piece : pieces) {
    ECH_CHECK(piece.data.elements() == volume(piece.box) || volume(piece.box) == 0,
              "'{}': data of {} for box {}", piece.name, echelon::to_string(piece.data.shape()),
              to_string(piece.box));
    if (auto fault = mismatch(piece, manifest, options); !fault.empty())
      faults.insert(std::move(fault));
  }
  if (faults.empty()) return;
  std::vector<std::string> shown(faults.begin(), faults.end());
  if (shown.size() > 10) shown.resize(10);
  fail(ExitCode::resume_mismatch, "U3",
       "{}: {} of the model's tensors do not match: {}{}; the checkpoint stays as it is; use the "
       "model it was saved with, or another folder for a new run",
       path, faults.size(), text::join(shown, "; "),
       faults.size() > shown.size() ? fmt::format("; and {} more", faults.size() - shown.size())
                                    : "");
}

/// Reads in file order, each chunk once.
std::vector<Read> plan_reads(std::span<const Piece> pieces, const Manifest& manifest,
                             ShardReader& reader) {
  std::map<std::tuple<int, uint64_t, const Chunk*>, Read> reads;
  for (const Piece& piece : pieces) {
    if (volume(piece.box) == 0) continue;
    const auto& [name, record] = *manifest.tensors.find(piece.name);
    for (const Chunk& chunk : record.chunks) {
      const auto common = intersect(piece.box, chunk.box);
      if (!common) continue;
      const TensorEntry& where = reader.entry(name, record, chunk);
      auto& read = reads[{chunk.file, where.begin, &chunk}];
      read = {&name, &record, &chunk, std::move(read.wanted)};
      read.wanted.emplace_back(&piece, *common);
    }
  }
  std::vector<Read> out;
  for (auto& [order, read] : reads) out.push_back(std::move(read));
  return out;
}

void execute(const Read& read, ShardReader& reader, std::vector<std::byte>& buffer) {
  const DType stored = read.record->dtype;
  const int64_t count = volume(read.chunk->box);
  const size_t bytes = static_cast<size_t>(count) * size_of(stored);
  const Piece& first = *read.wanted[0].first;
  if (read.wanted.size() == 1 && first.box == read.chunk->box && first.data.dtype() == stored)
    return reader.read(*read.name, *read.record, *read.chunk, {first.data.raw(), bytes});
  buffer.resize(bytes);
  reader.read(*read.name, *read.record, *read.chunk, buffer);
  for (const auto& [piece, common] : read.wanted) {
    const DType wanted = piece->data.dtype();
    if (wanted == stored) {
      copy_box(buffer.data(), read.chunk->box, piece->data.raw(), piece->box, common,
               size_of(stored));
    } else {
      const auto other = converted(buffer.data(), count, stored, wanted);
      copy_box(other.data(), read.chunk->box, piece->data.raw(), piece->box, common,
               size_of(wanted));
    }
  }
}

}  // namespace

void load(const std::filesystem::path& checkpoint, const Manifest& manifest,
          std::span<const Piece> pieces, const LoadOptions& options) {
  check_pieces(pieces, manifest, checkpoint.string(), options);
  ShardReader reader(checkpoint, manifest);
  std::vector<std::byte> buffer;
  for (const Read& read : plan_reads(pieces, manifest, reader)) execute(read, reader, buffer);
  if (options.allow_nonfinite) return;
  for (const Piece& piece : pieces) {
    if (!is_float(piece.data.dtype()) || volume(piece.box) == 0) continue;
    const int64_t bad =
        count_nonfinite(piece.data.raw(), piece.data.elements(), piece.data.dtype());
    if (bad > 0)
      fail(ExitCode::no_checkpoint, "X14",
           "{}: tensor '{}': found {} values that are NaN or infinite; checkpoint.allow_nonfinite: "
           "true loads them all the same",
           checkpoint.string(), text::escaped(piece.name), bad);
  }
}

}  // namespace echelon::checkpoint
