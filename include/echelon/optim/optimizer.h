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

/// One tensor, or a contiguous piece of it, with everything an update needs. All views are flat
/// f32.
struct Slice {
  std::string name;     ///< of the parameter
  Tensor master;        ///< f32 weights updated here (the weights themselves in fp32 training)
  Tensor grad;          ///< f32, summed over ranks; not yet clipped. LAMB overwrites it
  bool decay = true;    ///< matrix role and not in no_weight_decay
  int tensor = 0;       ///< index of the whole tensor, for per-tensor norms (LAMB)
  bool counted = true;  ///< false: a replica (or tied copy) counted on another rank: global norm
  bool counted_in_tensor = true;  ///< false: a replica counted on another rank: per-tensor norms
  int64_t from = 0, to = 0;       ///< elements of the parameter's flat storage held here
};

/// Sums numbers over the ranks that hold pieces, in place; identity on one rank. Collective.
using SumOverRanks = std::function<void(std::span<double>)>;
/// Blocking sum over each communicator in turn (null and one-rank groups are left out).
SumOverRanks sum_over(std::vector<comm::Communicator*> groups);

/// What per-tensor norms need: how many tensors the stage has (the same on every rank of the sum,
/// whatever slices it owns) and the sum over the ranks that hold pieces of them.
struct TensorSums {
  int tensors = 0;
  SumOverRanks sum;
};

/// `optimizer:` of the configuration (config.h).
struct OptimizerConfig;

/// Update rule. State is f32, zero at start. Errors: Error(numerics) never, callers check
/// finiteness.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Allocates state for the slices; they stay valid until the optimizer is destroyed.
  virtual void attach(std::vector<Slice> slices, Allocator& memory, TensorSums sums) = 0;
  /// One update with rate `lr`; the gradient is multiplied by `grad_scale` first. `update` counts
  /// applied updates from 1. Collective over `sums` where the rule needs per-tensor norms.
  virtual void step(double lr, double grad_scale, int64_t update, Stream& stream) = 0;
  /// Calls visit(state name, slice index, tensor) for every state tensor ("exp_avg", ...).
  virtual void state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) = 0;
  virtual int64_t state_bytes_per_param() const = 0;
  virtual const std::vector<Slice>& slices() const = 0;
  /// Factor the rule itself puts on gradients whose global norm is `norm` (LAMB's max_grad_norm);
  /// the caller multiplies it into `grad_scale`.
  virtual double clip_factor(double norm) const {
    static_cast<void>(norm);
    return 1.0;
  }
  /// Values of the last update worth logging ("lamb_ratio_min", ...).
  virtual void report(const std::function<void(const std::string&, double)>& value) const {
    static_cast<void>(value);
  }
};

}  // namespace echelon::optim
