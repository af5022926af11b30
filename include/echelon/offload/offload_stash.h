#pragma once
#include <memory>
#include <vector>

#include "echelon/nn/context.h"
#include "echelon/offload/tensor_store.h"

namespace echelon::offload {

/// A stash that keeps tensors of at least `min_bytes` in a store. What is popped has the same
/// bytes. While one tensor is used, the one below it is already on its way back.
class OffloadStash : public nn::Stash {
 public:
  /// `store` and `memory` (where tensors return to) must outlive the stash.
  OffloadStash(TensorStore& store, Allocator& memory, size_t min_bytes);
  ~OffloadStash() override;
  void push(Tensor tensor) override;
  Tensor pop() override;
  /// Bytes that did not leave, or are back.
  size_t bytes() const override;
  bool empty() const override { return items_.empty(); }

 private:
  /// A tensor pushed twice (attention output) is one entry.
  struct Entry;
  std::shared_ptr<Entry> same(const Tensor& tensor) const;
  void start_fetch(Entry& entry);

  TensorStore& store_;
  Allocator& memory_;
  size_t min_bytes_;
  std::vector<std::shared_ptr<Entry>> items_;
};

}  // namespace echelon::offload
