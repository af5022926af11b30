#include <algorithm>

#include "echelon/base/error.h"
#include "src/pipeline/schedules/schedules.h"

namespace echelon::pipeline {

namespace {
/// The k-th forward (or backward, with `reverse`) of a rank: groups of p micro-batches go through
/// all chunks before the next group starts.
Action nth(int k, int rank, const PipeShape& shape, bool reverse) {
  const int group = shape.ranks * shape.chunks;
  const int chunk = k % group / shape.ranks;
  const int micro = k / group * shape.ranks + k % shape.ranks;
  return {reverse ? Kind::B : Kind::F,
          shape.stage_of(rank, reverse ? shape.chunks - 1 - chunk : chunk), micro};
}
}  // namespace

std::string Interleaved::refuses(const PipeShape& shape) const {
  if (shape.chunks < 2)
    return fmt::format(
        "interleaved wants at least 2 chunks per rank, found {}; raise "
        "virtual_pipeline_model_parallel_size or use 1f1b",
        shape.chunks);
  if (shape.micros % shape.ranks != 0)
    return fmt::format(
        "interleaved wants micro-batches in multiples of the {} stages' ranks, found {}; "
        "nearest choices {} and {}",
        shape.ranks, shape.micros, std::max(1, shape.micros / shape.ranks) * shape.ranks,
        (shape.micros / shape.ranks + 1) * shape.ranks);
  return "";
}

Program Interleaved::compute(int rank, const PipeShape& shape) const {
  const int total = shape.micros * shape.chunks;
  const int warm_up =
      std::min(total, 2 * (shape.ranks - rank - 1) + (shape.chunks - 1) * shape.ranks);
  Program program;
  for (int k = 0; k < warm_up; ++k) program.push_back(nth(k, rank, shape, false));
  for (int k = warm_up; k < total; ++k) {
    program.push_back(nth(k, rank, shape, false));
    program.push_back(nth(k - warm_up, rank, shape, true));
  }
  for (int k = total - warm_up; k < total; ++k) program.push_back(nth(k, rank, shape, true));
  return program;
}

}  // namespace echelon::pipeline
