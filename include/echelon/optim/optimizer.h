#pragma once
// Optimizers work on slices: a whole parameter, or the part of one that a ZeRO rank owns.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "echelon/comm/communicator.h"
#include "echelon/config/fields.h"
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::optim {

/// One tensor, or a contiguous piece of it, with everything an update needs. All views are flat f32.
struct Slice {
  std::string name;      ///< of the parameter
  Tensor master;         ///< f32 weights updated here (the weights themselves in fp32 training)
  Tensor grad;           ///< f32, averaged; not yet clipped
  bool decay = true;     ///< matrix role and not in no_weight_decay
  int tensor = 0;        ///< index of the whole tensor, for per-tensor norms (LAMB)
  bool counted = true;   ///< false: a replica counted on another rank (norms)
};

/// Sums per-tensor (or global) squared norms over the ranks that hold pieces; identity on one rank.
using SumOverRanks = std::function<void(std::span<double>)>;

/// `optimizer:` of the configuration.
struct OptimizerConfig;

/// Update rule. State is f32, zero at start. Errors: Error(numerics) never, callers check finiteness.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Allocates state for the slices; they stay valid until the optimizer is destroyed.
  virtual void attach(std::vector<Slice> slices, Allocator& memory, SumOverRanks sum) = 0;
  /// One update with rate `lr`; the gradient is multiplied by `grad_scale` first. `update` counts
  /// applied updates from 1.
  virtual void step(double lr, double grad_scale, int64_t update, Stream& stream) = 0;
  /// Calls visit(state name, slice index, tensor) for every state tensor ("exp_avg", ...).
  virtual void state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) = 0;
  virtual int64_t state_bytes_per_param() const = 0;
};

}  // namespace echelon::optim
