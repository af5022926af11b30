#pragma once
// What a checkpoint holds of this rank, as boxes of logical tensors.
#include <functional>
#include <string>
#include <vector>

#include "echelon/checkpoint/checkpoint.h"
#include "echelon/trainer/assemble.h"

namespace echelon::trainer {

/// Weights ("model/<logical name>", from the f32 masters) and, with `optimizer_state`, every state
/// tensor ("optim.<state>/<logical name>"). Data are views: saving reads, loading writes them.
std::vector<checkpoint::Piece> pieces_of(Assembly& parts, bool optimizer_state);

/// Pieces "<section><logical name>" of another tensor per slice, `data(slice)`: flat, as long as
/// the slice. Owned: exactly one rank holds each element.
std::vector<checkpoint::Piece> pieces_of(Assembly& parts, const std::string& section,
                                         const std::function<Tensor(size_t slice)>& data);

}  // namespace echelon::trainer
