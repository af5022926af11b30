#pragma once
#include <memory>

#include "echelon/nn/block.h"
#include "echelon/nn/lm_head.h"

namespace echelon::nn {

/// Which part of the model a stage holds: blocks [first, last), and the ends.
struct StageRange {
  int64_t first_layer = 0;
  int64_t last_layer = 0;
  bool embedding = true;
  bool head = true;
  static StageRange whole(const ModelConfig& model) { return {0, model.num_layers, true, true}; }
};

/// A run of layers of the decoder: [embedding,] blocks [, head]. Names, parameter numbers and
/// initial values do not depend on how the model is cut.
class GptStage {
 public:
  /// `tp` must outlive the stage. Throws Error(config) for combinations `validate` lists.
  GptStage(const ModelConfig& model, const StageRange& range, comm::Communicator& tp,
           bool sequence_parallel);

  /// Input: the activation of the stage before, undefined on the first. Returns the activation
  /// [rows of this rank, hidden], or on the last stage what ctx.head asks for: the summed loss
  /// (f64, one element, the same on every tensor-parallel rank) or logits.
  Tensor forward(const Tensor& input, Context& ctx);
  /// `dy` is undefined on the last stage (the seed is ctx.loss_scale). Returns the gradient of the
  /// input, undefined on the first stage. Gradients of parameters are added to.
  Tensor backward(const Tensor& dy, Context& ctx);

  /// In forward order; a matrix that embedding and head share comes once, with the embedding.
  std::vector<Parameter*> parameters();
  /// Units that may be wrapped (rematerialization, ZeRO-3 gathering): embedding, each block, head.
  std::vector<std::unique_ptr<Layer>>& layers() { return layers_; }
  const ModelConfig& model() const { return model_; }
  const StageRange& range() const { return range_; }
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const;
  /// Shape of the activations between stages for micro-batches of this size.
  Shape activation_shape(int64_t sequences, int64_t tokens) const;

 private:
  ModelConfig model_;
  StageRange range_;
  TensorParallel tp_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace echelon::nn
