#pragma once
// Exact attention of sequences split over ranks: blocks of keys and values travel around a ring.
#include "echelon/nn/attention.h"
#include "echelon/nn/context_parallel.h"
#include "echelon/ops/attention.h"

namespace echelon::nn {

class Ring {
 public:
  /// `shape` with scale, heads and dropout set; positions are set here.
  Ring(const HeadShape& heads, const ops::AttentionShape& shape, Context& ctx);
  /// Sets out [rows, query columns] and lse [2*sequences, heads, tokens/2].
  void forward(const Tensor& qkv, Tensor& out, Tensor& lse);
  /// Gradient of qkv. c-1 messages of keys and values, c-1 of their gradients.
  Tensor backward(const Tensor& qkv, const Tensor& out, const Tensor& lse, const Tensor& dout);
  Shape lse_shape() const { return {2 * sequences_, shape_.heads, length_}; }

 private:
  /// Calls run(first query row, first key row, lse block, shape) for every pair of a piece of this
  /// rank and a piece of `source` that it sees.
  template <class Run>
  void for_pairs(int source, Run run) const;
  /// Keys and values alone [rows, 2*kv columns], from (to) the packed rows.
  Tensor keys_and_values(const Tensor& qkv) const;
  void put_keys_and_values(const Tensor& kv, const Tensor& qkv) const;
  /// Starts sending `out` on; the ring's previous rank fills `in`.
  std::vector<comm::Pending> pass(const Tensor& out, const Tensor& in) const;
  int source_of(int step) const { return (split_.rank() - step + split_.size()) % split_.size(); }

  HeadShape heads_;
  ops::AttentionShape shape_;
  Context& ctx_;
  const ContextParallel& split_;
  int64_t sequences_, length_, key_column_, width_;
};

}  // namespace echelon::nn
