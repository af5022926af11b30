#pragma once
// What the `data:` block of a run file says.
#include <cstdint>
#include <string>
#include <vector>

#include "echelon/config/fields.h"
#include "echelon/data/token_file.h"

namespace echelon::data {

enum class Split { train, valid, test };
std::string_view name_of(Split split);

/// Order of samples. counter: a permutation per epoch, computed from (seed, epoch, position).
/// megatron: Megatron-LM's document, sample and shuffle indices, bit for bit.
/// random: windows at random starts, with replacement (nanoGPT). sequential: file order.
enum class Order { counter, megatron, random, sequential };

enum class TokenizerKind { automatic, byte, gpt2, file };

struct TokenizerConfig {
  TokenizerKind type = TokenizerKind::automatic;
  std::string vocab_file;
  std::string merge_file;
  std::string file;
  void fields(config::Fields& f);
};

struct DataConfig {
  std::vector<std::string> data_path;
  std::vector<std::string> train_data_path;
  std::vector<std::string> valid_data_path;
  std::vector<std::string> test_data_path;
  std::vector<double> split{969, 30, 1};
  FileFormat format = FileFormat::automatic;
  Order order = Order::counter;
  TokenizerConfig tokenizer;
  FileIo io = FileIo::pread;
  int64_t prefetch_batches = 2;
  int64_t num_workers = 1;
  bool eod_mask_loss = false;
  int64_t end_of_text = -1;
  void fields(config::Fields& f);
};

/// A data set of a blend; weight < 0: none was given.
struct WeightedPath {
  double weight = -1;
  std::string path;
};
/// Megatron's rule: an even number of items whose 1st, 3rd, ... are numbers is (weight, path)
/// pairs, anything else a list of paths. Bad weights are Error(config, D11) naming `key`.
std::vector<WeightedPath> weighted_paths(const std::vector<std::string>& items,
                                         std::string_view key);

/// What feeds `split`: its own list when given, else data_path (then `cut` is true and `split`
/// decides which part). Empty when the run has none.
struct SplitPaths {
  std::vector<WeightedPath> paths;
  bool cut = false;
};
SplitPaths paths_of(const DataConfig& config, Split split);

}  // namespace echelon::data
