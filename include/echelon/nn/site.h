#pragma once
// Where a layer sits in the model: hands out names, shard tags and global parameter numbers.
#include <string>
#include <vector>

#include "echelon/nn/model_config.h"
#include "echelon/nn/parameter.h"
#include "echelon/nn/tensor_parallel.h"

namespace echelon::nn {

/// Unfused tensor inside a fused one: its logical name without ".weight" and its whole rows.
struct FusedPart {
  std::string name;
  int64_t rows = 0;
};

/// Copied down the construction of a stage; `number` runs on in forward order of the whole model.
struct Site {
  const ModelConfig& model;
  TensorParallel tp;
  int64_t& number;
  std::string prefix;  ///< "h.3.attn."
  int64_t layer = 0;

  Site below(const std::string& name) const { return {model, tp, number, prefix + name, layer}; }

  /// Every tensor-parallel rank holds all of it. `sees_part`: its gradient is a sum over this
  /// rank's rows only.
  Parameter replicated(const std::string& name, Use use, const Shape& shape, bool sees_part) const;
  /// Rows of every part split evenly over the ranks: [sum of rows / tp, columns], or a bias when
  /// columns is 0. Names: part name + `suffix`.
  Parameter row_split(const std::string& name, Use use, const std::vector<FusedPart>& parts,
                      const std::string& suffix, int64_t columns) const;
  /// [rows, columns / tp].
  Parameter column_split(const std::string& name, Use use, int64_t rows, int64_t columns) const;
  /// Token matrix or head: [padded vocabulary / tp, hidden]; padding rows belong to no logical
  /// part.
  Parameter vocabulary_split(const std::string& name, Use use) const;
};

/// Number of parameters (tensors) of the embedding, of one block, of the whole model.
int64_t embedding_tensors(const ModelConfig& model);
int64_t block_tensors(const ModelConfig& model);

}  // namespace echelon::nn
