#pragma once
// Sample k of a data set or a blend: a pure function of (files, seed, k).
#include <memory>
#include <span>
#include <vector>

#include "echelon/data/config.h"
#include "echelon/data/gpt_index.h"
#include "echelon/data/token_file.h"

namespace echelon::data {

/// Immutable from outside; thread-safe. Samples go on for ever: past size() they repeat (megatron,
/// sequential) or are drawn anew (counter, random).
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  /// Samples of one pass, at least 1.
  virtual int64_t size() const = 0;
  /// Fills out (seq_length + 1 tokens) and returns how many are data; the rest is padding.
  virtual int64_t read(int64_t k, std::span<int32_t> out) const = 0;
};

struct SourceOptions {
  Split split = Split::train;
  int64_t seq_length = 0;
  int64_t vocab_size = 0;
  uint64_t seed = 0;
  int64_t samples = 0;  ///< wanted over the whole run; 0: one pass
};

/// An opened entry of the data path and the part of it that belongs to the split.
struct SourceFile {
  std::shared_ptr<const TokenFile> file;
  Range sequences;  ///< Megatron files; streams: {0, 1}
  Range tokens;
  double weight = -1;
};
/// Opens what feeds the split and cuts it. Empty when the configuration names nothing for it or the
/// share is empty.
std::vector<SourceFile> open_split(const DataConfig& config, Split split);

std::unique_ptr<SampleSource> make_source(const DataConfig& config,
                                          const std::vector<SourceFile>& files,
                                          const SourceOptions& options);

/// A bijection of [0, n) computed in O(1) memory: a four-round Feistel network over the next even
/// power of two, walked until it lands inside (Black and Rogaway 2002).
uint64_t feistel(uint64_t k, uint64_t n, uint64_t seed, uint64_t stream);

}  // namespace echelon::data
