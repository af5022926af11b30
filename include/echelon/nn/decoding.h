#pragma once
#include <map>

#include "echelon/tensor/tensor.h"

namespace echelon::nn {

/// State of cached decoding on one stage: keys and values of every position seen so far. The rows
/// of a forward continue every sequence at `position`; the caller advances it by the number of
/// tokens fed once all stages are through. Feeding an earlier position again overwrites it.
struct Decoding {
  int64_t position = 0;
  int64_t capacity = 0;  ///< most positions of a sequence
  /// By global layer number: [batch*capacity, 2*kv_heads*head_size], k | v; made on first use.
  std::map<int64_t, Tensor> cache;
};

}  // namespace echelon::nn
