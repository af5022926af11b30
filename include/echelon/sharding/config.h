#pragma once
// `zero_optimization:` of the configuration.
#include <cstdint>

#include "echelon/config/fields.h"

namespace echelon::sharding {

/// What ranks of a gradient group divide between them (Rajbhandari et al., arXiv 1910.02054):
/// 0 nothing, 1 optimizer state, 2 gradients too, 3 weights too.
struct ShardingConfig {
  int64_t stage = 0;
  bool overlap_comm = true;
  int64_t reduce_bucket_size = 0;  ///< elements; 0: max(40e6, 1e6 * ranks of the gradient group)
  void fields(config::Fields& f);
};

/// Throws Error(config) for a stage there is not.
void check(const ShardingConfig& config);

}  // namespace echelon::sharding
