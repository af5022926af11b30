#pragma once
// Sequences split over ranks (ring attention: Liu et al. 2023). Every sequence has 2c equal pieces;
// rank r of c holds pieces r and 2c-1-r, one after the other, so that causal work is even.
#include <algorithm>

#include "echelon/comm/communicator.h"
#include "echelon/nn/context.h"

namespace echelon::nn {

struct ContextParallel {
  comm::Communicator* group = nullptr;  ///< more than one rank
  Stream* stream = nullptr;             ///< of the messages around the ring

  int rank() const { return group->rank(); }
  int size() const { return group->size(); }
  /// Piece in the first (0) or second (1) half of the rows that `rank` holds of a sequence.
  int64_t piece(int rank, int half) const { return half == 0 ? rank : 2 * size() - 1 - rank; }
};

/// Calls run(from, to, sequence, position): rows [from, to) of `rows` rows, of which the first is
/// row `first_row` of this rank's micro-batch, are consecutive positions of one sequence, from
/// `position` of the whole one. `tokens`: rows of a sequence on this rank. Null `split`: all.
template <class Run>
void for_position_runs(const ContextParallel* split, int64_t tokens, int64_t first_row,
                       int64_t rows, Run run) {
  const int64_t length = split ? tokens / 2 : tokens;
  for (int64_t from = 0; from < rows;) {
    const int64_t row = first_row + from, at = row % tokens;
    const int64_t to = std::min(rows, from + length - at % length);
    const int64_t piece = split ? split->piece(split->rank(), static_cast<int>(at / length)) : 0;
    run(from, to, row / tokens, piece * length + at % length);
    from = to;
  }
}

/// Tokens of a whole sequence.
inline int64_t whole_length(const Context& ctx) {
  return ctx.batch.length() * (ctx.context_parallel ? ctx.context_parallel->size() : 1);
}

}  // namespace echelon::nn
