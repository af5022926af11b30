#include "echelon/ops/optimizer.h"
#include "src/optim/slice_optimizer.h"

namespace echelon::optim {
namespace {

/// Lion (Chen et al., arXiv 2302.06675). Every element with a non-zero interpolation moves by lr.
class Lion final : public SliceOptimizer {
 public:
  explicit Lion(const OptimizerConfig& config) : SliceOptimizer(config, {"exp_avg"}) {}

  void step(double lr, double grad_scale, int64_t, Stream& stream) override {
    for (size_t k = 0; k < slices_.size(); ++k) {
      Slice& s = slices_[k];
      const ops::LionStep with{lr, config_.betas[0], config_.betas[1], decay_of(s), grad_scale};
      ops::lion_update(with, s.master, s.grad, state_of(0, k), stream);
    }
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(const OptimizerConfig& config) {
  return std::make_unique<Lion>(config);
}

}  // namespace echelon::optim
