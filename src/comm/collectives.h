#pragma once
// The collective algorithms of one rank, in terms of a Fabric. All calls block.
//
// Direct: ranks read each other's buffers (threads; symmetric memory of processes). An all-reduce
// gives each rank one slice to sum over all copies and to write to all copies.
// Staged: data passes in chunks through slots that the ranks of a host share; remote ranks' parts
// are brought into the same slots by messages. Sums are taken from the slots in rank order, so
// every path gives the same bits.
#include "src/comm/fabric.h"

namespace echelon::comm {

class Collectives {
 public:
  explicit Collectives(Fabric& fabric);

  void all_reduce(std::byte* data, int64_t count, DType dtype, ReduceOp op);
  /// count: elements of one part.
  void reduce_scatter(std::byte* src, std::byte* dst, int64_t count, DType dtype, ReduceOp op);
  void all_gather(std::byte* src, std::byte* dst, int64_t count, DType dtype);
  void all_to_all(std::byte* src, std::byte* dst, int64_t count, DType dtype);
  void broadcast(std::byte* data, int64_t count, DType dtype, int root);
  void barrier();

 private:
  void all_reduce_direct(int64_t count, DType dtype, ReduceOp op);
  void all_reduce_small(std::byte* data, int64_t count, DType dtype, ReduceOp op);
  void all_reduce_staged(std::byte* data, int64_t count, DType dtype, ReduceOp op);
  /// Part me() of every rank's src, chunk by chunk: consume(sources, offset, bytes).
  using Consume =
      std::function<void(std::span<const std::byte* const> parts, size_t offset, size_t bytes)>;
  void exchange_parts(std::byte* src, size_t part, const Consume& consume);
  bool small(size_t bytes);
  bool beyond_caches(size_t bytes) const;  ///< `bytes` on each rank
  void pass_small(std::span<std::byte> mine, const Slots& slots);
  int me() const { return fabric_.rank(); }
  int ranks() const { return fabric_.size(); }

  Fabric& fabric_;
  size_t cache_bytes_ = 0;
  int turn_ = 0;  // which of the two slots the next chunk uses; every use ends with a phase
};

}  // namespace echelon::comm
