#pragma once
// One class per line of registry.def.
#include "echelon/pipeline/schedule.h"

namespace echelon::pipeline {

/// All forwards, then all backwards (Huang et al. 2019).
class GPipe : public Schedule {
 public:
  Program compute(int rank, const PipeShape& shape) const override;
};

/// Warm-up of p - rank - 1 forwards, then one forward, one backward (PipeDream-Flush, Narayanan et
/// al. 2021): at most p - rank stashes.
class OneForwardOneBackward : public Schedule {
 public:
  Program compute(int rank, const PipeShape& shape) const override;
  std::string refuses(const PipeShape& shape) const override;
};

/// Several chunks per rank, micro-batches in groups of p (Narayanan et al. 2021, section 2.2): the
/// bubble shrinks by the number of chunks.
class Interleaved : public Schedule {
 public:
  Program compute(int rank, const PipeShape& shape) const override;
  std::string refuses(const PipeShape& shape) const override;
};

/// Backward split in input and weight gradient; weight gradients fill what would be bubble, with no
/// more stashes than 1F1B's first rank (ZB-H1, Qi et al. 2023).
class ZeroBubble : public Schedule {
 public:
  Program compute(int rank, const PipeShape& shape) const override;
  std::string refuses(const PipeShape& shape) const override;
};

}  // namespace echelon::pipeline
