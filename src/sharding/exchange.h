#pragma once
// How gradients of one store meet over the gradient group, bucket by bucket.
#include <memory>
#include <unordered_map>
#include <vector>

#include "echelon/comm/communicator.h"
#include "echelon/nn/parameter.h"
#include "echelon/sharding/layout.h"
#include "echelon/sharding/param_store.h"

namespace echelon::sharding {

struct ExchangeSetup {
  std::vector<nn::Parameter*> parameters;  ///< registration order
  std::vector<Bucket> buckets;
  comm::Communicator* comm =
      nullptr;           ///< used by this exchange alone while gradients are in flight
  bool sharded = false;  ///< reduce-scatter instead of all-reduce
  bool overlap = true;
};

/// Counts parameters down and starts the reduction of complete buckets: once an update in bucket
/// order, so that every rank makes the same calls whatever order its gradients become ready in; at
/// every micro-batch in the order of completion, which ranks of a gradient group share because they
/// run the same program. Not thread-safe: called by the rank's own thread; the reductions may run
/// on a worker.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void zero(Stream& stream) = 0;
  virtual void prepare(nn::Parameter& parameter) { static_cast<void>(parameter); }
  virtual void ready(nn::Parameter& parameter, Stream& inline_stream);
  virtual void finish(Stream& stream);
  /// What the optimizer of this rank reads: its part of the bucket (all of it when not sharded).
  virtual Tensor owned(size_t bucket) const = 0;
  virtual void count(StoreBytes& bytes) const = 0;
  comm::Communicator& comm() const { return *setup_.comm; }

 protected:
  explicit Exchange(ExchangeSetup setup);
  /// Issues the reduction of one bucket.
  virtual void start(size_t bucket, Stream& stream) = 0;
  /// Whether complete buckets start at once.
  virtual bool eager() const = 0;
  /// Whether a bucket may start again before finish (every micro-batch).
  virtual bool repeats() const = 0;
  /// Whether finish has to reduce a bucket that never started.
  virtual bool missing(size_t bucket) const = 0;
  size_t bucket_of(nn::Parameter& parameter) const;
  int64_t part(size_t bucket) const {
    return setup_.buckets[bucket].elements / setup_.comm->size();
  }
  Stream& lane(Stream& stream) { return worker_ ? *worker_ : stream; }

  ExchangeSetup setup_;
  std::unique_ptr<Stream> worker_;  // null: reductions run on the caller's stream
  std::vector<comm::Pending> pending_;
  size_t next_ = 0;  // first bucket of the update that has not started; 0 with repeats()

 private:
  void begin_round(size_t bucket);

  struct Place {
    size_t index, bucket;
  };
  std::unordered_map<const nn::Parameter*, Place> places_;
  std::vector<bool> ready_;
  std::vector<size_t> waiting_;  // parameters a bucket still waits for
};

/// Stages 0 and 1: whole gradients live from zero to the update.
std::unique_ptr<Exchange> make_resident_exchange(ExchangeSetup setup, Allocator& memory);
/// Stages 2 and 3: whole gradients of a micro-batch pass through two (rarely more) staging buckets;
/// only this rank's parts stay.
std::unique_ptr<Exchange> make_passing_exchange(ExchangeSetup setup, Allocator& memory);

/// Zeroed memory for `elements` numbers that the group's collectives reach fastest.
Tensor shared_buffer(comm::Communicator& comm, int64_t elements, DType dtype, Device device);

}  // namespace echelon::sharding
