#pragma once
// Tensor parallelism as layers see it (Shoeybi et al. 2019; sequence parallelism: Korthikanti et
// al. 2022). Rows of an activation are the B*T tokens of the micro-batch, sequence after sequence;
// with sequence parallelism rank r holds the r-th of size() equal runs of rows outside the split
// layers.
#include "echelon/comm/communicator.h"
#include "echelon/nn/context.h"

namespace echelon::nn {

struct TensorParallel {
  comm::Communicator* group = nullptr;
  bool sequence_parallel = false;

  int rank() const { return group->rank(); }
  int size() const { return group->size(); }
  bool split() const { return size() > 1; }
  /// Rows are split between ranks. Cached decoding has too few rows for it and runs without.
  bool rows_split(const Context& ctx) const {
    return sequence_parallel && split() && ctx.decoding == nullptr;
  }
  /// For planning: as in training.
  bool rows_split() const { return sequence_parallel && split(); }

  /// First row of the micro-batch held by this rank when it holds `rows` of them.
  int64_t first_row(int64_t rows, const Context& ctx) const {
    return rows_split(ctx) ? rows * rank() : 0;
  }
  comm::Pending all_reduce(const Tensor& data, comm::ReduceOp op, Context& ctx) const;
  /// full [rows*size, C] -> part [rows, C].
  comm::Pending reduce_scatter(const Tensor& full, const Tensor& part, Context& ctx) const;
  comm::Pending all_gather(const Tensor& part, const Tensor& full, Context& ctx) const;
  /// The whole activation from this rank's rows; x itself when rows are not split. Blocks.
  Tensor gathered(const Tensor& x, Context& ctx) const;
  /// Sum over ranks of partial results, leaving this rank's rows; consumes `partial`. Blocks.
  Tensor reduced(const Tensor& partial, Context& ctx) const;
};

/// Where dropout happens; part of its stream.
enum class DropoutPlace { embedding, attention, attention_out, mlp_out };
Philox dropout_stream(const Context& ctx, int64_t layer, DropoutPlace place);
/// In place on x [rows, C], this rank's rows of the micro-batch; element = index in
/// [global batch, tokens, C]. Nothing when p is 0 or not training.
void dropout_rows(Tensor& x, double p, int64_t layer, DropoutPlace place, const TensorParallel& tp,
                  const Context& ctx);
/// The same on a copy; x itself when there is nothing to do.
Tensor dropped_rows(const Tensor& x, double p, int64_t layer, DropoutPlace place,
                    const TensorParallel& tp, const Context& ctx);

}  // namespace echelon::nn
