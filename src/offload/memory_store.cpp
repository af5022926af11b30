#include <algorithm>
#include <map>

#include "echelon/offload/tensor_store.h"

namespace echelon::offload {
namespace {

class MemoryStore final : public TensorStore {
 public:
  Ticket put(const Tensor& tensor) override {
    held_[next_] = clone(tensor, *pool_, MemoryCategory::activations);
    bytes_ += tensor.bytes();
    peak_ = std::max(peak_, bytes_);
    return next_++;
  }

  Fetched fetch(Ticket ticket, Allocator& memory) override {
    const Tensor back = clone(held_.at(ticket), memory, MemoryCategory::activations);
    drop(ticket);
    return {back, {}};
  }

  void drop(Ticket ticket) override {
    const auto found = held_.find(ticket);
    bytes_ -= found->second.bytes();
    held_.erase(found);
  }

  bool reads_ahead() const override { return false; }
  size_t bytes() const override { return bytes_; }
  size_t peak_bytes() const override { return peak_; }

 private:
  std::shared_ptr<Allocator> pool_ = make_cpu_allocator();
  std::map<Ticket, Tensor> held_;
  Ticket next_ = 0;
  size_t bytes_ = 0, peak_ = 0;
};

}  // namespace

std::unique_ptr<TensorStore> make_memory_store() { return std::make_unique<MemoryStore>(); }

std::unique_ptr<TensorStore> make_store(const OffloadConfig& config) {
  check(config);
  switch (config.activations) {
    case Place::memory: return make_memory_store();
    case Place::file: return make_file_store(config.path);
    case Place::none: break;
  }
  return nullptr;
}

}  // namespace echelon::offload
