#include <algorithm>

#include "echelon/base/error.h"
#include "src/pipeline/schedules/schedules.h"

namespace echelon::pipeline {

std::string OneForwardOneBackward::refuses(const PipeShape& shape) const {
  if (shape.chunks == 1) return "";
  return fmt::format("1f1b runs one chunk per rank, found {}; use pipeline_schedule: interleaved",
                     shape.chunks);
}

Program OneForwardOneBackward::compute(int rank, const PipeShape& shape) const {
  const int warm_up = std::min(shape.micros, shape.ranks - rank - 1);
  Program program;
  for (int micro = 0; micro < warm_up; ++micro) program.push_back({Kind::F, rank, micro});
  for (int micro = warm_up; micro < shape.micros; ++micro) {
    program.push_back({Kind::F, rank, micro});
    program.push_back({Kind::B, rank, micro - warm_up});
  }
  for (int micro = shape.micros - warm_up; micro < shape.micros; ++micro)
    program.push_back({Kind::B, rank, micro});
  return program;
}

}  // namespace echelon::pipeline
