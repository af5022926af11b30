#pragma once
// What a checkpoint holds of this rank, as boxes of logical tensors.
#include <vector>

#include "echelon/checkpoint/checkpoint.h"
#include "echelon/trainer/assemble.h"

namespace echelon::trainer {

/// Weights ("model/<logical name>", from the f32 masters) and, with `optimizer_state`, every state
/// tensor ("optim.<state>/<logical name>"). Data are views: saving reads, loading writes them.
std::vector<checkpoint::Piece> pieces_of(Assembly& parts, bool optimizer_state);

}  // namespace echelon::trainer
