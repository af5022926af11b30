#include "echelon/ops/optimizer.h"
#include "src/optim/slice_optimizer.h"

namespace echelon::optim {
namespace {

/// Adam with coupled decay, and AdamW (Loshchilov and Hutter, arXiv 1711.05101).
class Adam final : public SliceOptimizer {
 public:
  Adam(const OptimizerConfig& config, bool decoupled)
      : SliceOptimizer(config, {"exp_avg", "exp_avg_sq"}), decoupled_(decoupled) {}

  void step(double lr, double grad_scale, int64_t update, Stream& stream) override {
    for (size_t k = 0; k < slices_.size(); ++k) {
      Slice& s = slices_[k];
      const ops::AdamStep with{.lr = lr,
                               .beta1 = config_.betas[0],
                               .beta2 = config_.betas[1],
                               .eps = config_.eps,
                               .weight_decay = decay_of(s),
                               .grad_scale = grad_scale,
                               .step = update,
                               .decoupled = decoupled_};
      ops::adam_update(with, s.master, s.grad, state_of(0, k), state_of(1, k), stream);
    }
  }

 private:
  bool decoupled_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config) {
  return std::make_unique<Adam>(config, false);
}
std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config) {
  return std::make_unique<Adam>(config, true);
}

}  // namespace echelon::optim
