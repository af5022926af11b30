#pragma once
#include <string>
#include <vector>

#include "echelon/config/fields.h"

namespace echelon::checkpoint {

/// Which checkpoints stay after a new one was published.
struct Retention {
  int64_t keep_latest = 3;           ///< newest intact ones, at least 1
  int64_t retain_interval = 0;       ///< steps divisible by it stay for ever; 0: none
  std::vector<std::string> protect;  ///< names that are never deleted
};

/// `checkpoint:` of the configuration.
struct CheckpointConfig {
  std::string save;  ///< folder; empty: <run directory>/checkpoints
  int64_t save_interval = 1000;
  bool save_last = true;
  int64_t keep_latest_k = 3;
  int64_t save_retain_interval = 0;
  std::vector<std::string> protect;
  std::string resume = "auto";  ///< auto, must, never, or the path of one checkpoint
  bool convert_dtype = false;
  bool allow_nonfinite = false;
  bool verify_after_save = false;
  bool megatron_tracker = false;
  void fields(config::Fields& f);
  Retention retention() const { return {keep_latest_k, save_retain_interval, protect}; }
};

}  // namespace echelon::checkpoint
