#pragma once
#include "echelon/trainer/assemble.h"

namespace echelon::trainer {

/// Compares 64-bit hashes of every parameter between the ranks that should hold the same bits: the
/// gradient group (but for ZeRO 3, which has no replicas there), tensor-parallel ranks where a
/// tensor is not split, and the two copies of a tied matrix. Any one flipped bit is seen.
/// Collective over the world; throws the same Error(diverged, "M7" or "M8") on every rank, naming
/// tensor and rank.
void check_replicas(const Assembly& parts, int64_t step);

}  // namespace echelon::trainer
