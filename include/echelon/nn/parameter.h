#pragma once
#include <string>
#include <vector>

#include "echelon/parallel/shard.h"
#include "echelon/tensor/tensor.h"

namespace echelon::nn {

/// From the dimensions of the whole tensor: two or more is a matrix. Matrices decay, vectors do
/// not.
enum class Role { matrix, vector, scalar };

/// What a parameter is for; initialisation kinds give one rule per use.
enum class Use {
  token_table,
  position_table,
  qkv,
  attention_out,
  mlp_in,
  mlp_out,
  head,
  bias,
  gain
};

/// A trainable tensor of one rank. `value` and `grad` are assigned by whoever adopts the parameter
/// (sharding::ParamStore, or allocate_parameters); until then they are undefined.
struct Parameter {
  std::string name;  ///< "h.3.attn.qkv.weight": global layer number, the same in every layout
  Role role = Role::matrix;
  Use use = Use::mlp_in;
  Shape shape;  ///< of this rank's part
  parallel::ShardInfo shard;
  Tensor value;
  Tensor grad;  ///< f32, accumulated over micro-batches
};

/// Told that a gradient is complete for this step (last micro-batch): the bucket may be reduced.
class GradSink {
 public:
  virtual ~GradSink() = default;
  /// Before anything is added to a gradient, in every micro-batch: gradients that live for a moment
  /// only (ZeRO stage 2) get their memory here.
  virtual void prepare(Parameter& parameter) { static_cast<void>(parameter); }
  virtual void ready(Parameter& parameter) = 0;
};

}  // namespace echelon::nn
