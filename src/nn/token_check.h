#pragma once
#include "echelon/nn/context.h"

namespace echelon::nn {

/// Throws Error(data, "D3") for an id outside [0, vocab): every rank would take it for a row of
/// another rank, and the loss would be wrong without a word. `ignored` is let through.
void check_ids(const Tensor& ids, int64_t vocab, const char* what, int32_t ignored);

}  // namespace echelon::nn
