#include "src/optim/slice_optimizer.h"

namespace echelon::optim {

void SliceOptimizer::attach(std::vector<Slice> slices, Allocator& memory, TensorSums sums) {
  ECH_CHECK(states_.empty() && slices_.empty(), "optimizer attached twice");
  slices_ = std::move(slices);
  sums_ = std::move(sums);
  int64_t total = 0;
  for (const Slice& s : slices_) {
    ECH_CHECK(s.master.elements() == s.grad.elements(), "{}: {} weights, {} gradients", s.name,
              s.master.elements(), s.grad.elements());
    total += s.master.elements();
  }
  for (size_t i = 0; i < names_.size(); ++i) {
    const Tensor flat = Tensor::zeros({total}, DType::f32, memory, MemoryCategory::optimizer);
    std::vector<Tensor>& views = states_.emplace_back();
    int64_t at = 0;
    for (const Slice& s : slices_) {
      views.push_back(flat.flat(at, at + s.master.elements()));
      at += s.master.elements();
    }
  }
}

void SliceOptimizer::state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) {
  for (size_t i = 0; i < names_.size(); ++i)
    for (size_t k = 0; k < slices_.size(); ++k) visit(names_[i], k, states_[i][k]);
}

}  // namespace echelon::optim
