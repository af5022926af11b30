#pragma once
// Rows of training batches, read ahead. A row is addressed by its number in the sample order of the
// whole run, so ranks, batch sizes, restarts and read-ahead cannot change what a row holds.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echelon/data/config.h"
#include "echelon/data/token_file.h"
#include "echelon/tensor/tensor.h"

namespace echelon::data {

/// Target of a position without loss; ops::cross_entropy ignores it.
inline constexpr int32_t kIgnoreTarget = -100;

struct LoaderOptions {
  Split split = Split::train;
  int64_t seq_length = 0;
  int64_t vocab_size = 0;  ///< ids outside [0, vocab_size) end the run (D3)
  uint64_t seed = 0;
  int64_t samples = 0;  ///< of the whole run; needed by data.order: megatron only
};

/// Rows [first, first + rows) of the sample order.
struct Batch {
  int64_t first = 0;
  Tensor tokens;   ///< [rows, seq_length] i32
  Tensor targets;  ///< [rows, seq_length] i32: the next token, or kIgnoreTarget
};

class Loader {
 public:
  /// Opens and checks the files. `host` provides the batches' memory and must outlive the loader.
  Loader(const DataConfig& config, const LoaderOptions& options, Allocator& host);
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// Waits for the rows. Calls that step evenly through the order (training does) are read ahead:
  /// the next ones are expected at the last distance with the same number of rows. Not thread-safe.
  /// Errors of reading, also of reading ahead, are thrown here, for the rows they concern.
  Batch rows(int64_t first, int64_t count);

  int64_t samples_per_epoch() const;  ///< rows of one pass over the split (all sets of a blend)
  int64_t tokens() const;             ///< tokens of the split
  /// Text bytes per token, from the side files (blend: all tokens together); nothing when unknown.
  std::optional<double> bytes_per_token() const;
  /// Digest of the tokenizer the data was made with; empty when unknown.
  const std::string& tokenizer_digest() const;
  int32_t end_of_text() const;  ///< -1: unknown
  /// To compare on resume (D8).
  const std::vector<FileDigest>& digests() const;
  double stall_seconds() const;  ///< time callers of rows() have waited so far

 private:
  class State;
  std::unique_ptr<State> state_;
};

/// Whether the configuration holds data for the split (an empty share of data.split: no).
bool has_split(const DataConfig& config, Split split);

}  // namespace echelon::data
