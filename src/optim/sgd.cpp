#include "echelon/ops/optimizer.h"
#include "src/optim/slice_optimizer.h"

namespace echelon::optim {
namespace {

/// Momentum SGD and Nesterov's form, with coupled decay (torch.optim.SGD; Sutskever et al. 2013).
class Sgd final : public SliceOptimizer {
 public:
  Sgd(const OptimizerConfig& config, bool nesterov)
      : SliceOptimizer(config, config.momentum != 0 ? std::vector<std::string>{"momentum"}
                                                    : std::vector<std::string>{}),
        nesterov_(nesterov) {}

  void step(double lr, double grad_scale, int64_t update, Stream& stream) override {
    for (size_t k = 0; k < slices_.size(); ++k) {
      Slice& s = slices_[k];
      const ops::SgdStep with{lr,         config_.momentum, decay_of(s),
                              grad_scale, nesterov_,        update == 1};
      Tensor* buffer = config_.momentum != 0 ? &state_of(0, k) : nullptr;
      ops::sgd_update(with, s.master, s.grad, buffer, stream);
    }
  }

 private:
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config) {
  return std::make_unique<Sgd>(config, false);
}
std::unique_ptr<Optimizer> make_nag(const OptimizerConfig& config) {
  return std::make_unique<Sgd>(config, true);
}

}  // namespace echelon::optim
