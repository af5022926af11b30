#include "src/pipeline/schedules/schedules.h"

namespace echelon::pipeline {

Program GPipe::compute(int rank, const PipeShape& shape) const {
  Program program;
  for (int chunk = 0; chunk < shape.chunks; ++chunk)
    for (int micro = 0; micro < shape.micros; ++micro)
      program.push_back({Kind::F, shape.stage_of(rank, chunk), micro});
  for (int chunk = shape.chunks - 1; chunk >= 0; --chunk)
    for (int micro = 0; micro < shape.micros; ++micro)
      program.push_back({Kind::B, shape.stage_of(rank, chunk), micro});
  return program;
}

}  // namespace echelon::pipeline
