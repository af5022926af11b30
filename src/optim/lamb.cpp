#include <algorithm>
#include <cmath>

#include "echelon/ops/elementwise.h"
#include "echelon/ops/optimizer.h"
#include "src/optim/slice_optimizer.h"

namespace echelon::optim {
namespace {

/// LAMB (You et al., arXiv 1904.00962), as NVIDIA apex FusedLAMB or DeepSpeed FusedLamb. The update
/// direction replaces the gradient, so that it costs no memory.
class Lamb final : public SliceOptimizer {
 public:
  explicit Lamb(const OptimizerConfig& config)
      : SliceOptimizer(config, {"exp_avg", "exp_avg_sq"}) {}

  double clip_factor(double norm) const override {
    return config_.max_grad_norm > 0 ? 1.0 / std::max(1.0, norm / config_.max_grad_norm) : 1.0;
  }

  void step(double lr, double grad_scale, int64_t update, Stream& stream) override {
    const std::vector<double> squares = directions(grad_scale, update, stream);
    const double t = static_cast<double>(update);
    const double rate = apex() ? lr
                               : lr * std::sqrt(1 - std::pow(config_.betas[1], t)) /
                                     (1 - std::pow(config_.betas[0], t));
    ratios_.assign(static_cast<size_t>(sums_.tensors), 1.0);
    for (Slice& s : slices_) {
      const auto i = static_cast<size_t>(s.tensor);
      if (adapted(s)) ratios_[i] = ratio(std::sqrt(squares[2 * i]), std::sqrt(squares[2 * i + 1]));
      ops::axpy(static_cast<float>(-rate * ratios_[i]), s.grad, s.master, stream);
    }
  }

  void report(const std::function<void(const std::string&, double)>& value) const override {
    if (ratios_.empty()) return;
    std::vector<double> sorted = ratios_;
    std::sort(sorted.begin(), sorted.end());
    value("lamb_ratio_min", sorted.front());
    value("lamb_ratio_median", sorted[sorted.size() / 2]);
    value("lamb_ratio_max", sorted.back());
  }

 private:
  bool apex() const { return config_.lamb.variant == LambVariant::apex; }
  bool adapted(const Slice& s) const {
    return !apex() || config_.lamb.adapt == LambAdapt::all || decay_of(s) != 0;
  }

  /// Writes u into the gradients; returns {|p|^2, |u|^2} of every whole tensor.
  std::vector<double> directions(double grad_scale, int64_t update, Stream& stream) {
    std::vector<double> squares(2 * static_cast<size_t>(sums_.tensors), 0.0);
    for (size_t k = 0; k < slices_.size(); ++k) {
      Slice& s = slices_[k];
      ECH_CHECK(s.tensor >= 0 && s.tensor < sums_.tensors, "{}: tensor {} of {}", s.name, s.tensor,
                sums_.tensors);
      const ops::AdamStep with{.lr = 0,
                               .beta1 = config_.betas[0],
                               .beta2 = config_.betas[1],
                               .eps = config_.eps,
                               .weight_decay = decay_of(s),
                               .grad_scale = grad_scale,
                               .step = update,
                               .decoupled = true};
      ops::lamb_direction(with, apex(), s.master, s.grad, state_of(0, k), state_of(1, k), s.grad,
                          stream);
      if (!s.counted_in_tensor) continue;
      const auto i = static_cast<size_t>(s.tensor);
      squares[2 * i] += ops::sum_of_squares(s.master, stream);
      squares[2 * i + 1] += ops::sum_of_squares(s.grad, stream);
    }
    if (sums_.sum) sums_.sum(squares);
    return squares;
  }

  double ratio(double weight_norm, double update_norm) const {
    const LambConfig& c = config_.lamb;
    if (!c.weight_norm_clip.empty())
      weight_norm = std::clamp(weight_norm, c.weight_norm_clip[0], c.weight_norm_clip[1]);
    if (weight_norm <= 0 || update_norm <= 0) return 1.0;
    const double r = weight_norm / update_norm;
    return c.trust_clip.empty() ? r : std::clamp(r, c.trust_clip[0], c.trust_clip[1]);
  }

  std::vector<double> ratios_;  // of the last update, by tensor
};

}  // namespace

std::unique_ptr<Optimizer> make_lamb(const OptimizerConfig& config) {
  return std::make_unique<Lamb>(config);
}

}  // namespace echelon::optim
