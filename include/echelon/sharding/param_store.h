#pragma once
// Who holds values and gradients, and how gradients meet across data-parallel ranks.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "echelon/comm/communicator.h"
#include "echelon/nn/parameter.h"
#include "echelon/optim/optimizer.h"
#include "echelon/parallel/mesh.h"
#include "echelon/sharding/config.h"
#include "echelon/sharding/layout.h"

namespace echelon::sharding {

/// Bytes a store holds. Buffers shared between ranks are not in the allocator's counters, these
/// are.
struct StoreBytes {
  int64_t weights = 0;    ///< what layers read; stage 3: this rank's part
  int64_t gradients = 0;  ///< that live from zero_grads to the update
  int64_t master = 0;     ///< f32 copies of 16-bit weights
  int64_t staging = 0;    ///< stages 2 and 3: buckets in which whole gradients pass through
  int64_t gathered = 0;   ///< stage 3: most bytes of whole units at one time
};

/// Stage 3: a unit's whole weights exist while somebody holds it; Parameter::value is undefined
/// otherwise. Every rank of the gradient group makes the same calls in the same order.
class UnitWeights {
 public:
  virtual ~UnitWeights() = default;
  /// Parameters that are gathered together, neighbours in registration order. Before adopt.
  virtual size_t add_unit(const std::vector<nn::Parameter*>& parameters) = 0;
  /// Starts gathering a unit that will be acquired next, beside the caller's work.
  virtual void prefetch(size_t unit) = 0;
  virtual void acquire(size_t unit) = 0;
  virtual void release(size_t unit) = 0;
};

/// Owns the buffers behind Parameter::value and Parameter::grad. One step:
/// zero_grads, micro-batches (ready() as gradients complete), finish, [norm, clip, optimizer],
/// publish.
class ParamStore : public nn::GradSink {
 public:
  /// Assigns value and grad of every parameter (values zero, gradients zero). Once. Collective over
  /// the gradient group. From stage 2 on, grad is assigned by prepare() instead and taken away
  /// when the bucket is reduced; with stage 3 values exist between acquire and release alone.
  virtual void adopt(std::vector<nn::Parameter*> parameters) = 0;
  /// What the optimizer of this rank updates, in registration order.
  virtual std::vector<optim::Slice> slices() = 0;
  virtual void zero_grads(Stream& stream) = 0;
  /// Starts the reduction of a bucket once all its parameters are ready (on the communication
  /// stream), in bucket order on every rank.
  void ready(nn::Parameter& parameter) override = 0;
  /// Whether gradients are to be reported ready at every micro-batch (stages 2 and 3), not the
  /// last alone.
  virtual bool reduces_every_micro_batch() const = 0;
  /// Waits until every gradient is summed over the gradient group, then over tp (partial under
  /// sequence parallelism) and the embedding group (tied matrix). Parameters never reported ready
  /// are reduced too.
  virtual void finish(Stream& stream) = 0;
  /// Calls `fill` with parameters whose values it sets, all of them together or unit by unit, and
  /// takes over what it wrote.
  virtual void initialize(const std::function<void(const std::vector<nn::Parameter*>&)>& fill,
                          Stream& stream) = 0;
  /// Masters take over what is in the values (after initialisation or a checkpoint's weights).
  virtual void import_values(Stream& stream) = 0;
  /// Makes updated weights visible on every rank: cast of the masters, ZeRO all-gather.
  virtual void publish(Stream& stream) = 0;
  virtual const std::vector<nn::Parameter*>& parameters() const = 0;
  /// Null where weights are always whole (stages 0 to 2).
  virtual UnitWeights* units() { return nullptr; }

  /// For per-tensor norms of slices(), and for their global norm.
  virtual optim::TensorSums tensor_sums() = 0;
  virtual optim::SumOverRanks norm_sum() = 0;
  virtual const std::vector<Bucket>& buckets() const = 0;
  virtual StoreBytes bytes() const = 0;
};

/// Who meets whom. Null: one rank. The communicators must outlive the store.
struct SyncGroups {
  comm::Communicator* grad = nullptr;  ///< cp and dp: sums gradients, divides state
  comm::Communicator* tp = nullptr;
  comm::Communicator* model = nullptr;      ///< tp and pp: norms in stage 0
  comm::Communicator* world = nullptr;      ///< norms from stage 1 on
  comm::Communicator* embedding = nullptr;  ///< first and last stage, when they share a matrix
  bool sequence_parallel = false;           ///< sum partial_under_sp gradients over tp
  std::string tied_parameter;               ///< name of the matrix the first and last stage share
};
SyncGroups groups_of(const parallel::Mesh& mesh, bool sequence_parallel,
                     std::string tied_parameter);

struct StoreOptions {
  ShardingConfig sharding;
  DType weights = DType::f32;  ///< of Parameter::value; bf16 and f16 get f32 masters
  std::vector<std::string> no_weight_decay;
};

/// Throws Error(config) for a stage there is not.
std::unique_ptr<ParamStore> make_param_store(const StoreOptions& options, const SyncGroups& groups,
                                             Allocator& memory);

}  // namespace echelon::sharding
