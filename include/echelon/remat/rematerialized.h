#pragma once
// Forward keeps only its input; backward runs forward again, then backward. The same kernels on the
// same numbers with the same dropout streams: gradients are those without it, bit for bit.
#include <functional>
#include <memory>
#include <vector>

#include "echelon/nn/gpt_stage.h"
#include "echelon/remat/config.h"

namespace echelon::remat {

/// Elements of a layer's input on this rank, for `rows` rows of all ranks.
using InputElements = std::function<int64_t(int64_t rows)>;

/// One or more layers in a row. Weight gradients that a schedule puts off keep what they need of
/// the second forward. Tensor-parallel collectives of forward run twice.
class Rematerialized : public nn::Layer {
 public:
  Rematerialized(std::vector<std::unique_ptr<nn::Layer>> inner, InputElements input);
  Tensor forward(const Tensor& x, nn::Context& ctx) override;
  Tensor backward(const Tensor& dy, nn::Context& ctx) override;
  void parameters(std::vector<nn::Parameter*>& out) override;
  /// `saved_bytes`: the input. The second forward is in neither `flops` nor `comm_bytes`.
  nn::Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  std::vector<std::unique_ptr<nn::Layer>> inner_;
  InputElements input_;
};

/// The same for what lies between the attention projections: q, k and v are kept.
class RematerializedCore : public nn::AttentionCore {
 public:
  RematerializedCore(std::unique_ptr<nn::AttentionCore> inner, const nn::HeadShape& shape);
  Tensor forward(const Tensor& qkv, nn::Context& ctx) override;
  Tensor backward(const Tensor& dout, nn::Context& ctx) override;
  Tensor decode(const Tensor& qkv, nn::Context& ctx) override;
  void parameters(std::vector<nn::Parameter*>& out) override { inner_->parameters(out); }
  nn::Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;

 private:
  std::unique_ptr<nn::AttentionCore> inner_;
  int64_t columns_;
};

/// Wraps the blocks of a stage as configured; embedding and head stay. Before anything else wraps
/// them. The stage must outlive its layers' cost().
void rematerialize(nn::GptStage& stage, const RecomputeConfig& config);

}  // namespace echelon::remat
