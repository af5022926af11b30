#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "echelon/device/allocator.h"

namespace echelon {

std::string_view name_of(MemoryCategory category) {
  constexpr std::array<std::string_view, kMemoryCategories> names = {
      "weights", "gradients", "optimizer", "activations", "buckets", "workspace"};
  return names[static_cast<size_t>(category)];
}

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

/// Free blocks and counters; shared with every live buffer, so it ends with the last of them.
class Pool {
 public:
  ~Pool() {
    for (auto& [size, blocks] : free_)
      for (std::byte* block : blocks) std::free(block);
  }

  std::byte* take(size_t size, MemoryCategory category) {
    const std::lock_guard lock(mutex_);
    std::byte* block = nullptr;
    if (const auto found = free_.find(size); found != free_.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      use_.cached -= size;
    } else {
      block = fresh(size);
    }
    const auto c = static_cast<size_t>(category);
    use_.now[c] += size;
    use_.peak[c] = std::max(use_.peak[c], use_.now[c]);
    use_.total_now += size;
    use_.total_peak = std::max(use_.total_peak, use_.total_now);
    return block;
  }

  void give_back(std::byte* block, size_t size, MemoryCategory category) {
    const std::lock_guard lock(mutex_);
    use_.now[static_cast<size_t>(category)] -= size;
    use_.total_now -= size;
    use_.cached += size;
    free_[size].push_back(block);
  }

  MemoryUse use() const {
    const std::lock_guard lock(mutex_);
    return use_;
  }

 private:
  std::byte* fresh(size_t size) {
    const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
    void* block = std::aligned_alloc(alignment, size);
    if (!block) {  // other size classes may hold what is missing
      for (auto& [other, blocks] : free_) {
        for (std::byte* b : blocks) std::free(b);
        use_.cached -= other * blocks.size();
        blocks.clear();
      }
      block = std::aligned_alloc(alignment, size);
    }
    if (!block)
      fail(ExitCode::out_of_memory, "E9", "host memory: found none for {}, {} in use by tensors",
           text::bytes(static_cast<double>(size)),
           text::bytes(static_cast<double>(use_.total_now)));
    if (size >= kHugePage) ::madvise(block, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(block);
  }

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

/// Rounds to 64 bytes below 2 MiB and to 2 MiB above: few classes, at most 2 MiB wasted a buffer.
size_t size_class(size_t bytes) {
  const size_t unit = bytes >= kHugePage ? kHugePage : kAlignment;
  return std::max(kAlignment, (bytes + unit - 1) / unit * unit);
}

class CpuAllocator : public Allocator {
 public:
  std::shared_ptr<std::byte> allocate(size_t bytes, MemoryCategory category) override {
    const size_t size = size_class(bytes);
    std::byte* block = pool_->take(size, category);
    return {block,
            [pool = pool_, size, category](std::byte* p) { pool->give_back(p, size, category); }};
  }
  Device device() const override { return {}; }
  MemoryUse use() const override { return pool_->use(); }

 private:
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
};

}  // namespace

std::shared_ptr<Allocator> make_cpu_allocator() { return std::make_shared<CpuAllocator>(); }

}  // namespace echelon
