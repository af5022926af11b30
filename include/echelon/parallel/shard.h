#pragma once
// How a parameter is split and replicated: said once, in its tag. Norms, gradient syncs, replica
// hashes, checkpoints and initialisation derive from it.
#include <string>
#include <vector>

#include "echelon/tensor/shape.h"

namespace echelon::parallel {

/// A rectangular part of a whole tensor.
struct Box {
  std::vector<int64_t> offset;
  std::vector<int64_t> size;
  bool operator==(const Box&) const = default;
};

enum class TpSplit {
  replicated,  ///< every tensor-parallel rank holds the whole tensor
  rows,        ///< dimension 0 (column-parallel weights and biases, vocabulary rows)
  columns,     ///< dimension 1 (row-parallel weights)
};

/// One logical (unfused, unpadded) tensor stored in rows of a parameter: a fused qkv weight has
/// three parts, all others one.
struct LogicalPart {
  std::string name;       ///< "h.0.attn.q.weight": knows no layout
  Shape whole;            ///< true extents, without vocabulary padding
  Box box;                ///< which part of `whole` this rank stores
  int64_t local_row = 0;  ///< first row of the stored tensor that belongs to it
  int64_t fused_row = 0;  ///< row of the whole fused tensor where `whole` begins (initialisation)
};

struct ShardInfo {
  std::vector<LogicalPart> parts;
  TpSplit tp = TpSplit::replicated;
  int64_t number =
      0;  ///< global parameter number, the same in every layout: stream of its initialisation
  int64_t fused_columns = 0;  ///< columns of the whole (unsplit) tensor: element = row*columns+col
  bool partial_under_sp =
      false;               ///< gradient is a partial sum per tp rank with sequence parallelism
  bool tied_copy = false;  ///< second copy of a tied tensor: not counted, not saved
};

}  // namespace echelon::parallel
