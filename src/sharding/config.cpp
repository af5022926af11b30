#include "echelon/sharding/config.h"

#include "echelon/base/error.h"

namespace echelon::sharding {

void ShardingConfig::fields(config::Fields& f) {
  f.on_resume(config::OnResume::may_change);
  f.integer("stage", stage, {0, 3},
            "Divided between data-parallel ranks: 0 nothing, 1 optimizer state, 2 gradients, 3 "
            "weights.");
  f.boolean("overlap_comm", overlap_comm, "Reduce gradients while backward goes on.");
  f.count("reduce_bucket_size", reduce_bucket_size, {0, int64_t{1} << 40},
          "Elements at which a gradient bucket is closed; 0: the larger of 40M and 1M per rank of "
          "the gradient group.");
  f.on_resume(config::OnResume::must_match);
}

void check(const ShardingConfig& config) {
  if (config.stage >= 0 && config.stage <= 3) return;
  fail(ExitCode::config, "V33",
       "zero_optimization.stage: found {}, wanted 0, 1, 2 or 3; nothing was started; use stage: 3",
       config.stage);
}

}  // namespace echelon::sharding
