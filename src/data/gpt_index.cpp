#include "echelon/data/gpt_index.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "echelon/base/error.h"

namespace echelon::data {

uint64_t draw_up_to(std::mt19937& rng, uint64_t top) {
  if (top == 0) return 0;
  const uint64_t mask = std::numeric_limits<uint64_t>::max() >> std::countl_zero(top);
  for (;;) {
    uint64_t value = rng();
    if (top > 0xFFFFFFFFu) value = value << 32 | rng();
    if ((value & mask) <= top) return value & mask;
  }
}

std::array<std::optional<Range>, 3> split_ranges(std::span<const double> shares, int64_t n) {
  double sum = 0;
  bool good = !shares.empty() && shares.size() <= 3;
  for (const double share : shares) {
    good = good && std::isfinite(share) && share >= 0;
    sum += share;
  }
  if (!good || !(sum > 0))
    fail(ExitCode::config, "D11",
         "data.split: found {} shares with sum {}, wanted 1 to 3 finite shares of at least 0, "
         "not all 0; the run does not start",
         shares.size(), sum);
  std::array<std::optional<Range>, 3> ranges;
  double edge = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double next = edge + shares[i] / sum, count = static_cast<double>(n);
    if (next > edge)
      ranges[i] = Range(std::llrint(std::nearbyint(edge * count)),
                        std::llrint(std::nearbyint(next * count)));
    edge = next;
  }
  return ranges;
}

namespace {

/// Length of the samples laid over the shuffled documents.
class Walker {
 public:
  Walker(const TokenFile& file, const std::vector<int32_t>& document)
      : file_(file), document_(document) {}

  /// From the start of one sample to the start of the next: L+1 tokens on, one back.
  GptIndex::Row next(GptIndex::Row row, int64_t seq_length) const {
    for (int64_t left = seq_length + 1;;) {
      const int64_t have = file_.sequence_length(document_[row.position]) - row.offset;
      left -= have;
      if (left <= 0) {
        row.offset += static_cast<int32_t>(left + have - 1);
        return row;
      }
      if (row.position + 1 == document_.size()) {
        row.offset = static_cast<int32_t>(file_.sequence_length(document_[row.position]) - 1);
        return row;
      }
      ++row.position;
      row.offset = 0;
    }
  }

 private:
  const TokenFile& file_;
  const std::vector<int32_t>& document_;
};

int64_t sample_count(int64_t tokens, int64_t seq_length, bool drop_last) {
  if (drop_last) return tokens / seq_length;
  // Upstream divides in float32 here; the rounding is part of the format.
  return static_cast<int64_t>(
      std::ceil(static_cast<float>(tokens) / static_cast<float>(seq_length)));
}

}  // namespace

GptIndex build_gpt_index(const TokenFile& file, const GptIndexOptions& o) {
  const auto [first, last] = o.sequences;
  const int64_t per_epoch = file.sequence_begin(last) - file.sequence_begin(first);
  if (per_epoch <= 0)
    fail(ExitCode::data, "D4",
         "{}: found no tokens in sequences {} to {}, wanted some; the run ends; check data.split",
         file.name(), first, last);
  GptIndex index;
  if (o.samples)
    index.epochs = std::max<int64_t>(1, (*o.samples * o.seq_length + per_epoch) / per_epoch);
  int64_t before = 0;
  if (index.epochs > 1) {
    before = ((index.epochs - 1) * per_epoch - 1) / o.seq_length;
    const int64_t one = (per_epoch - 1) / o.seq_length;
    index.separate_last_epoch =
        *o.samples - before < static_cast<int64_t>(0.80 * static_cast<double>(one));
  }
  const int64_t total = sample_count(index.epochs * per_epoch - 1, o.seq_length, o.drop_last);
  if (total < 1)
    fail(ExitCode::data, "D10",
         "{}: found {} tokens, wanted at least {} for one sample of model.seq_length {}; the run "
         "ends; use more data or shorter samples",
         file.name(), per_epoch, o.seq_length + 1, o.seq_length);
  const int64_t entries = index.epochs * (last - first);
  if (entries > std::numeric_limits<uint32_t>::max() ||
      total >= std::numeric_limits<uint32_t>::max() - 1)
    fail(ExitCode::data, "D10",
         "{}: found {} samples over {} sequences, wanted fewer than 2^32 of each; the run ends; "
         "use data.order: counter",
         file.name(), total, entries);

  std::mt19937 rng(static_cast<uint32_t>(o.seed));
  const auto add_epochs = [&](int64_t count) {
    const size_t from = index.document.size();
    for (int64_t e = 0; e < count; ++e)
      for (int64_t s = first; s < last; ++s) index.document.push_back(static_cast<int32_t>(s));
    numpy_shuffle(std::span(index.document).subspan(from), rng);
  };
  index.document.reserve(static_cast<size_t>(entries));
  add_epochs(index.separate_last_epoch ? index.epochs - 1 : index.epochs);
  if (index.separate_last_epoch) add_epochs(1);

  const Walker walker(file, index.document);
  index.sample.reserve(static_cast<size_t>(total) + 1);
  index.sample.push_back({0, 0});
  while (static_cast<int64_t>(index.sample.size()) <= total)
    index.sample.push_back(walker.next(index.sample.back(), o.seq_length));

  index.shuffle.resize(static_cast<size_t>(total));
  std::iota(index.shuffle.begin(), index.shuffle.end(), 0u);
  const std::span all(index.shuffle);
  const auto cut = static_cast<size_t>(index.separate_last_epoch ? before : total);
  numpy_shuffle(all.first(cut), rng);
  numpy_shuffle(all.subspan(cut), rng);
  return index;
}

int64_t read_gpt_sample(const TokenFile& file, const GptIndex& index, int64_t k,
                        std::span<int32_t> out, int64_t vocab_size) {
  const size_t j = index.shuffle[static_cast<size_t>(k)];
  const auto [first, from] = index.sample[j];
  const auto [last, until] = index.sample[j + 1];
  int64_t done = 0;
  for (uint32_t position = first; position <= last; ++position) {
    const int32_t sequence = index.document[position];
    const int64_t begin = position == first ? from : 0;
    const int64_t end = position == last ? until + 1 : file.sequence_length(sequence);
    const int64_t n = std::min(end - begin, static_cast<int64_t>(out.size()) - done);
    if (n <= 0) continue;
    file.read(file.sequence_begin(sequence) + begin,
              out.subspan(static_cast<size_t>(done), static_cast<size_t>(n)), vocab_size);
    done += n;
  }
  return done;
}

}  // namespace echelon::data
