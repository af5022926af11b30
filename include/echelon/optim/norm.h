#pragma once
// The norm of the whole gradient, spread over ranks, and what clipping makes of it.
#include <span>

#include "echelon/optim/optimizer.h"

namespace echelon::optim {

/// sqrt of the sum of squares over counted slices and ranks, in double. Not finite exactly when a
/// counted gradient is not. Collective over `sum`.
double gradient_norm(std::span<const Slice> slices, const SumOverRanks& sum, Stream& stream);
/// Sum of squares of this rank's counted slices.
double squared_gradient_norm(std::span<const Slice> slices, Stream& stream);
/// min(1, clip / (norm + 1e-6)); 1 when clip is 0 (off).
double clip_coefficient(double norm, double clip);
/// Whether every gradient of this rank is finite (replicas included).
bool gradients_finite(std::span<const Slice> slices, Stream& stream);

}  // namespace echelon::optim
