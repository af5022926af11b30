#include "echelon/offload/offload_stash.h"

#include <algorithm>
#include <set>
#include <utility>

namespace echelon::offload {

struct OffloadStash::Entry {
  Shape shape;
  const std::byte* raw = nullptr;       // where it was when pushed
  std::weak_ptr<const std::byte> seen;  // expired: another tensor may be there now
  Tensor here;                          // stayed, or is back once `done`
  Event done;
  bool stored = false;
  TensorStore::Ticket ticket = -1;  // -1: not in the store, or on its way back
};

OffloadStash::OffloadStash(TensorStore& store, Allocator& memory, size_t min_bytes)
    : store_(store), memory_(memory), min_bytes_(min_bytes) {}

OffloadStash::~OffloadStash() {
  for (const auto& entry : items_)
    if (entry->ticket >= 0) store_.drop(std::exchange(entry->ticket, -1));
}

std::shared_ptr<OffloadStash::Entry> OffloadStash::same(const Tensor& tensor) const {
  for (auto entry = items_.rbegin(); entry != items_.rend(); ++entry)
    if ((*entry)->raw == tensor.raw() && (*entry)->shape == tensor.shape() &&
        !(*entry)->seen.expired())
      return *entry;
  return nullptr;
}

void OffloadStash::push(Tensor tensor) {
  if (auto known = same(tensor)) {
    items_.push_back(std::move(known));
    return;
  }
  auto entry = std::make_shared<Entry>();
  entry->shape = tensor.shape();
  entry->raw = tensor.raw();
  entry->seen = tensor.watch();
  entry->stored = tensor.bytes() >= min_bytes_;
  if (entry->stored)
    entry->ticket = store_.put(tensor);
  else
    entry->here = std::move(tensor);
  items_.push_back(std::move(entry));
}

void OffloadStash::start_fetch(Entry& entry) {
  Fetched back = store_.fetch(std::exchange(entry.ticket, -1), memory_);
  entry.here = back.tensor.view(entry.shape);
  entry.done = std::move(back.done);
}

Tensor OffloadStash::pop() {
  ECH_CHECK(!items_.empty(), "backward without its forward: the stash is empty");
  const std::shared_ptr<Entry> entry = std::move(items_.back());
  items_.pop_back();
  if (entry->ticket >= 0) start_fetch(*entry);
  if (store_.reads_ahead()) {
    const auto next = std::find_if(items_.rbegin(), items_.rend(), [&](const auto& below) {
      return below->stored && below != entry;
    });
    if (next != items_.rend() && (*next)->ticket >= 0) start_fetch(**next);
  }
  entry->done.wait();
  return entry->here;
}

size_t OffloadStash::bytes() const {
  std::set<const Entry*> counted;
  size_t total = 0;
  for (const auto& entry : items_)
    if (entry->here.defined() && counted.insert(entry.get()).second) total += entry->here.bytes();
  return total;
}

}  // namespace echelon::offload
