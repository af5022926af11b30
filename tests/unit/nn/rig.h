#pragma once
// A whole model (or a stage of one) on one rank, without a parameter store.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "echelon/comm/world.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/nn/init.h"
#include "tests/support/golden.h"

namespace echelon::nn::test {

/// Whole logical tensors by name, put together from the boxes of every rank.
using Whole = std::map<std::string, std::vector<float>>;

class CountingSink : public GradSink {
 public:
  void ready(Parameter& parameter) override { order.push_back(parameter.name); }
  std::vector<std::string> order;
};

/// The model, its memory and one rank's view of the group.
struct Rig {
  Rig(const ModelConfig& model, comm::Communicator& tp, bool sequence_parallel = false);
  Rig(const ModelConfig& model, comm::Communicator& tp, bool sequence_parallel,
      const StageRange& range);

  MicroBatch batch(int64_t sequences, int64_t tokens, int seed);
  Context context(const MicroBatch& batch);
  /// Summed loss; gradients of loss_scale * loss are added.
  double step(const MicroBatch& batch, float loss_scale,
              const std::function<void(Context&)>& tune = {});
  double loss(const MicroBatch& batch);
  Tensor logits(const MicroBatch& batch);
  void zero_grads();
  /// Copies this rank's boxes of values or gradients into `whole` (under a lock shared by ranks).
  void collect(Whole& whole, bool gradients) const;
  /// Fills this rank's boxes from whole tensors.
  void load(const Whole& whole);

  std::shared_ptr<Allocator> memory = make_cpu_allocator();
  std::unique_ptr<Stream> stream = make_inline_stream();
  Stash stash;
  GptStage stage;
  std::vector<Parameter*> parameters;
};

int64_t valid_targets(const MicroBatch& batch);
/// Small models of both styles.
ModelConfig gpt2_style();
ModelConfig llama_style();
/// Largest |a-b| of a tensor relative to its largest |b|, over tensors; infinite when names differ.
/// Tensors below a thousandth of the largest count as that: the true gradient of a key bias is 0.
double worst_difference(const Whole& a, const Whole& b);

}  // namespace echelon::nn::test
