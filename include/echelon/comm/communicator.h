#pragma once
// Collectives and point-to-point messages of one group of ranks. Kinds: self, thread, mpi, fake
// (world.h), decorated by Logged. The model, the optimizer and the schedules see this
// interface alone.
#include <memory>
#include <string>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::comm {

enum class ReduceOp { sum, max, min };

/// Work in flight. Holds the tensors it uses until waited on; a Pending that is destroyed unwaited
/// waits first. `wait` makes the calling thread's data ready and rethrows what went wrong.
class [[nodiscard]] Pending {
 public:
  /// Completion of a message inside group_begin/group_end, known at group_end.
  struct Later {
    Event event;
    bool ready = false;
  };

  Pending() = default;
  Pending(Event done, std::vector<Tensor> keep) : done_(std::move(done)), keep_(std::move(keep)) {}
  Pending(std::shared_ptr<Later> later, std::vector<Tensor> keep)
      : later_(std::move(later)), keep_(std::move(keep)) {}
  Pending(Pending&&) noexcept = default;
  Pending& operator=(Pending&& other) noexcept;
  ~Pending();
  void wait() &&;
  /// The same work, done when `later` (a later point of its stream) is.
  Pending until(Event later) &&;

 private:
  void wait_here() const;
  void settle() noexcept;

  Event done_;
  std::shared_ptr<Later> later_;
  std::vector<Tensor> keep_;
};

/// One group of ranks, seen from one of them. Every rank of the group makes the same calls in the
/// same order. A call runs on `stream`: an inline stream blocks, a worker stream returns at once.
/// A communicator is used by one stream at a time (split a second one for concurrent traffic).
/// Groups of one rank do nothing. Errors: Error(communication) naming group, op, peer.
///
/// Sums of bf16 and f16 are taken in f32 and rounded once (to nearest even). For a given group size
/// the order of summation is fixed (rank 0 + rank 1 + ...): results repeat bit for bit and are the
/// same in every kind.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Axis name used in logs and errors: world, dp, tp, cp, pp, embedding.
  virtual const std::string& name() const = 0;

  /// In place; every rank gets the reduction.
  virtual Pending all_reduce(const Tensor& data, ReduceOp op, Stream& stream) = 0;
  /// src: size() equal parts; dst (one part) = reduction of part rank(). dst may be that part of
  /// src.
  virtual Pending reduce_scatter(const Tensor& src, const Tensor& dst, ReduceOp op,
                                 Stream& stream) = 0;
  /// dst: size() parts in rank order; src one part, may be part rank() of dst.
  virtual Pending all_gather(const Tensor& src, const Tensor& dst, Stream& stream) = 0;
  /// Part i of src goes to rank i; part i of dst comes from rank i. src and dst are distinct.
  virtual Pending all_to_all(const Tensor& src, const Tensor& dst, Stream& stream) = 0;
  virtual Pending broadcast(const Tensor& data, int root, Stream& stream) = 0;
  /// Messages between two ranks arrive in the order sent. A send may block until it is received.
  /// Inside group_begin/group_end sends and receives start together and may be paired in any order;
  /// the Pendings are ready after group_end.
  virtual Pending send(const Tensor& data, int peer, Stream& stream) = 0;
  virtual Pending recv(const Tensor& data, int peer, Stream& stream) = 0;
  virtual void group_begin() = 0;
  virtual void group_end(Stream& stream) = 0;
  virtual void barrier() = 0;

  /// New group of the ranks that pass the same color >= 0, ordered by key then old rank; a negative
  /// color takes part and gets null. Collective over this group.
  virtual std::unique_ptr<Communicator> split(int color, int key, const std::string& name) = 0;

  /// Memory that collectives of this group reduce fastest (shared between the ranks of one host
  /// where that helps). Collective; every rank asks for the same size. Zeroed, aligned to 64.
  virtual std::shared_ptr<std::byte> symmetric_memory(size_t bytes) = 0;

  /// Ends every rank of the job with `code`; does not return on process ranks. Thread ranks: every
  /// blocked call in the whole world throws Error(communication).
  virtual void abort(ExitCode code) noexcept = 0;
};

/// Blocking reductions of a few host numbers (control messages).
std::vector<double> all_reduce(Communicator& comm, std::vector<double> values, ReduceOp op);
std::vector<int64_t> all_reduce(Communicator& comm, std::vector<int64_t> values, ReduceOp op);
/// Blocking broadcast of text of any length.
std::string broadcast(Communicator& comm, std::string text, int root);

}  // namespace echelon::comm
