#pragma once
// Ways to spread one run over ranks.
#include <string>
#include <vector>

#include "tests/numerics/runs.h"

namespace echelon::test {

struct Layout {
  int ranks = 1, tp = 1, pp = 1, zero = 0;
  int64_t micro = 2;
  std::string schedule = "1f1b";
  bool sequence_parallel = false;
  int64_t chunks = 1;

  std::string name() const {
    return fmt::format("{} ranks, tp {}, pp {} x {}, {}, ZeRO {}, micro-batch {}{}", ranks, tp, pp,
                       chunks, schedule, zero, micro,
                       sequence_parallel ? ", sequence parallel" : "");
  }
  trainer::RunConfig applied(trainer::RunConfig c) const {
    c.parallel.tensor_model_parallel_size = tp;
    c.parallel.pipeline_model_parallel_size = pp;
    c.parallel.sequence_parallel = sequence_parallel;
    c.pipeline.pipeline_schedule = schedule;
    c.pipeline.virtual_pipeline_model_parallel_size = chunks;
    c.zero_optimization.stage = zero;
    c.train.micro_batch_size = micro;
    return c;
  }
};

/// For a model of two layers and two heads or more and a global batch of 4 or a multiple.
inline std::vector<Layout> layouts_of_two_layers() {
  return {
      {.ranks = 1},
      {.ranks = 1, .micro = 1},
      {.ranks = 1, .micro = 4},
      {.ranks = 2},
      {.ranks = 2, .zero = 1},
      {.ranks = 2, .zero = 2, .micro = 1},
      {.ranks = 4, .micro = 1},
      {.ranks = 4, .zero = 1, .micro = 1},
      {.ranks = 4, .zero = 2, .micro = 1},
      {.ranks = 2, .tp = 2},
      {.ranks = 2, .pp = 2, .schedule = "gpipe"},
      {.ranks = 2, .pp = 2, .micro = 1, .schedule = "1f1b"},
      {.ranks = 2, .pp = 2, .micro = 1, .schedule = "zero_bubble"},
      {.ranks = 4, .tp = 2, .pp = 2, .micro = 1},
      {.ranks = 4, .tp = 2, .zero = 1, .micro = 1},
      {.ranks = 4, .pp = 2, .zero = 1, .micro = 1, .schedule = "zero_bubble"},
  };
}

}  // namespace echelon::test
