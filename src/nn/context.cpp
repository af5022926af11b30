#include "echelon/nn/context.h"

#include <set>

#include "echelon/nn/layer.h"

namespace echelon::nn {

void Stash::push(Tensor tensor) { items_.push_back(std::move(tensor)); }

Tensor Stash::pop() {
  ECH_CHECK(!items_.empty(), "backward without its forward: the stash is empty");
  Tensor last = std::move(items_.back());
  items_.pop_back();
  return last;
}

size_t Stash::bytes() const {
  std::set<const std::byte*> seen;
  size_t total = 0;
  for (const Tensor& tensor : items_)
    if (seen.insert(tensor.raw()).second) total += tensor.bytes();
  return total;
}

void Context::weight_gradient(std::function<void()> work, std::vector<Parameter*> parameters) {
  auto whole = [work = std::move(work), parameters = std::move(parameters), sink_of_step = sink,
                last = last_micro_batch] {
    if (work) work();
    if (!last || sink_of_step == nullptr) return;
    for (Parameter* parameter : parameters) sink_of_step->ready(*parameter);
  };
  if (wgrad)
    wgrad->push_back(std::move(whole));
  else
    whole();
}

Cost& Cost::operator+=(const Cost& other) {
  flops += other.flops;
  params += other.params;
  saved_bytes += other.saved_bytes;
  comm_bytes += other.comm_bytes;
  return *this;
}

}  // namespace echelon::nn
