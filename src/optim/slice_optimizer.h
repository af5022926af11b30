#pragma once
// What all update rules share: slices and named f32 state of the same sizes.
#include "echelon/optim/config.h"

namespace echelon::optim {

class SliceOptimizer : public Optimizer {
 public:
  void attach(std::vector<Slice> slices, Allocator& memory, TensorSums sums) override;
  void state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) override;
  int64_t state_bytes_per_param() const override {
    return static_cast<int64_t>(names_.size() * sizeof(float));
  }
  const std::vector<Slice>& slices() const override { return slices_; }

 protected:
  SliceOptimizer(OptimizerConfig config, std::vector<std::string> state_names)
      : config_(std::move(config)), names_(std::move(state_names)) {}
  Tensor& state_of(size_t which, size_t slice) { return states_[which][slice]; }
  double decay_of(const Slice& slice) const { return slice.decay ? config_.weight_decay : 0.0; }

  OptimizerConfig config_;  // resolved
  std::vector<Slice> slices_;
  TensorSums sums_;

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<Tensor>> states_;  // [state][slice], views of one buffer per state
};

#define X(name) std::unique_ptr<Optimizer> make_##name(const OptimizerConfig& config);
#include "src/optim/registry.def"
#undef X

}  // namespace echelon::optim
