#pragma once
#include "echelon/planner/job.h"

namespace echelon::planner {

/// Bytes of one rank, f32 training.
struct Memory {
  int64_t weights = 0;    ///< stage 3: this rank's part
  int64_t gathered = 0;   ///< stage 3: the two largest units next to each other
  int64_t gradients = 0;  ///< from stage 2 on: this rank's part
  /// From stage 2 on: two buckets in which gradients pass through. More where buckets stay open for
  /// long: norms open them before the W of zero_bubble fills them, two chunks may share one.
  int64_t staging = 0;
  int64_t optimizer = 0;
  int64_t activations = 0;  ///< stashes at their peak
  int64_t total() const {
    return weights + gathered + gradients + staging + optimizer + activations;
  }
};
/// `peak_stashes`: micro-batches of a chunk that wait for backward at most (pipeline::Simulated).
Memory memory_of(const Job& job, const RankParts& parts, const parallel::Degrees& degrees,
                 const parallel::Coords& coords, int peak_stashes);

}  // namespace echelon::planner
