#pragma once
#include <memory>
#include <string>
#include <vector>

#include "echelon/nn/context.h"
#include "echelon/nn/parameter.h"

namespace echelon::nn {

/// Cost of a layer for one micro-batch on this rank.
struct Cost {
  double flops = 0;         ///< forward; multiply and add counted as two, matrix products only
  int64_t params = 0;       ///< elements held
  int64_t saved_bytes = 0;  ///< on the stash between forward and backward
  int64_t comm_bytes = 0;   ///< payload of the tensor-parallel collectives of forward and backward
  Cost& operator+=(const Cost& other);
};

/// A differentiable piece with explicit forward and backward. x and y are [rows, channels].
class Layer {
 public:
  virtual ~Layer() = default;
  /// Pushes what backward needs on ctx.stash when ctx.training. Never changes x.
  virtual Tensor forward(const Tensor& x, Context& ctx) = 0;
  /// Pops it in reverse order; adds to parameter gradients; returns the gradient of x. Never
  /// changes dy.
  virtual Tensor backward(const Tensor& dy, Context& ctx) = 0;
  /// Appends pointers that stay valid for the life of the layer, in forward order.
  virtual void parameters(std::vector<Parameter*>& out) = 0;
  /// `rows` activation rows of the micro-batch (of all tensor-parallel ranks together), sequences
  /// of `tokens`, activations of `dtype`.
  virtual Cost cost(int64_t rows, int64_t tokens, DType dtype) const = 0;
};

}  // namespace echelon::nn
