#pragma once
#include "../flash_plans.h"
#include "graph.h"

namespace echelon::backend::cuda {

/// Ids of the tensors a plan is given when it is executed.
enum FlashId : int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kStats,
  kDout,
  kDq,
  kDk,
  kDv,
  kScale,
  kMinusInfinity,
  kOne,
  kRowSums,
};

/// out = softmax(scale q k^T) v and stats = log of the sum of exponentials of scaled scores.
Graph flash_forward_graph(const FlashShape& shape);
/// dq, dk, dv from stats and the row sums of dout*out, which want f32 [batch, heads, queries] of
/// scratch. Writes dq from one product with a stored gradient of the scores: deterministic.
Graph flash_backward_graph(const FlashShape& shape);

}  // namespace echelon::backend::cuda
