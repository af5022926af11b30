#pragma once
// Megatron-LM's sample order (megatron/core/datasets: gpt_dataset.py, helpers.cpp,
// blended_dataset.py), reproduced bit for bit.
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "echelon/data/token_file.h"

namespace echelon::data {

/// numpy.random.RandomState.shuffle of a one-dimensional array; `rng` is std::mt19937(seed).
/// Draw in [0, top]: one output (two above 2^32, high first) under the smallest mask, rejected
/// above.
uint64_t draw_up_to(std::mt19937& rng, uint64_t top);
template <class T>
void numpy_shuffle(std::span<T> items, std::mt19937& rng) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw_up_to(rng, i - 1)]);
}

using Range = std::pair<int64_t, int64_t>;
/// [begin, end) of train, validation and test among n items; nothing for an empty share. Shares are
/// normalised and accumulated in double; edges round half to even. Error(config) when they are bad.
std::array<std::optional<Range>, 3> split_ranges(std::span<const double> shares, int64_t n);

struct GptIndex {
  struct Row {
    uint32_t position;  ///< in `document`
    int32_t offset;     ///< token inside that sequence
  };
  int64_t epochs = 1;
  bool separate_last_epoch = false;
  std::vector<int32_t> document;  ///< sequence numbers in reading order
  std::vector<Row> sample;        ///< starts; one more than there are samples
  std::vector<uint32_t> shuffle;  ///< sample k is row shuffle[k]
};
struct GptIndexOptions {
  Range sequences;  ///< of the file
  int64_t seq_length = 0;
  std::optional<int64_t> samples;  ///< wanted; nothing: one epoch
  uint64_t seed = 0;               ///< low 32 bits are used
  bool drop_last = true;           ///< false: keep a padded last sample (validation)
};
/// Error(data): D4 when the range holds no token, D10 when not even one sample fits.
GptIndex build_gpt_index(const TokenFile& file, const GptIndexOptions& options);

/// Sample k: seq_length + 1 tokens, fewer only for a kept tail. Returns how many were written.
int64_t read_gpt_sample(const TokenFile& file, const GptIndex& index, int64_t k,
                        std::span<int32_t> out, int64_t vocab_size);

/// Which data set gives sample i of a blend, and which of its samples that is.
struct Blend {
  std::vector<int16_t> dataset;
  std::vector<int64_t> sample;
};
/// Divided by their sum, added in numpy's order (eight partial sums from eight values on).
std::vector<double> normalized_weights(std::span<const double> weights);
/// Greedy: the set with the largest weight * max(i, 1) - taken, the first one on ties.
Blend blend(std::span<const double> weights, int64_t size);
/// The same race with sizes as weights until every set is used up.
Blend blend_exhaustive(std::span<const int64_t> sizes);
/// Samples set d gives to a blend of `size`, and samples to build for it (0.5 % more).
std::pair<int64_t, int64_t> blend_share(double normalized_weight, int64_t size);

}  // namespace echelon::data
