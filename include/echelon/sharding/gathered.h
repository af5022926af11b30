#pragma once
// ZeRO stage 3 as a wrapper: weights are whole while a layer works, divided otherwise.
#include <memory>
#include <vector>

#include "echelon/nn/gpt_stage.h"
#include "echelon/sharding/param_store.h"

namespace echelon::sharding {

/// Holds its units while the inner layer runs forward or backward, and has those of the next layer
/// gathered meanwhile. Weight gradients put off by a schedule must not read weights.
class Gathered : public nn::Layer {
 public:
  /// `weights` must outlive the layer.
  Gathered(std::unique_ptr<nn::Layer> inner, UnitWeights& weights, std::vector<size_t> units);
  Tensor forward(const Tensor& x, nn::Context& ctx) override;
  Tensor backward(const Tensor& dy, nn::Context& ctx) override;
  void parameters(std::vector<nn::Parameter*>& out) override { inner_->parameters(out); }
  nn::Cost cost(int64_t rows, int64_t tokens, DType dtype) const override {
    return inner_->cost(rows, tokens, dtype);
  }
  /// Layers that run before and after in forward; null at the ends.
  void neighbours(const Gathered* before, const Gathered* after);

 private:
  class Hold;
  std::unique_ptr<nn::Layer> inner_;
  UnitWeights& weights_;
  std::vector<size_t> units_;
  const Gathered* before_ = nullptr;
  const Gathered* after_ = nullptr;
};

/// Wraps every layer of a stage, each a unit of its own; a head that shares the embedding's matrix
/// holds that unit too. Last of all wrappers, before the store adopts the parameters. Nothing for
/// stores with whole weights.
void gather(nn::GptStage& stage, ParamStore& store);

}  // namespace echelon::sharding
