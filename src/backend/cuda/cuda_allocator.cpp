#include "cuda_allocator.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "check.h"
#include "echelon/base/text.h"

namespace echelon::backend::cuda {
namespace {

constexpr size_t kSmallUnit = 512, kLargeUnit = size_t{2} << 20;

size_t size_class(size_t bytes) {
  const size_t unit = bytes >= kLargeUnit ? kLargeUnit : kSmallUnit;
  return std::max(kSmallUnit, (bytes + unit - 1) / unit * unit);
}

/// Free blocks and counters; shared with every live buffer, so it ends with the last of them.
class Pool {
 public:
  explicit Pool(int index) : index_(index) {}
  ~Pool() { release(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

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
  int index() const { return index_; }

 private:
  /// Destructors end here too, so a failing cudaFree goes unheard.
  void release() {
    static_cast<void>(cudaSetDevice(index_));
    for (auto& [size, blocks] : free_) {
      for (std::byte* b : blocks) static_cast<void>(cudaFree(b));
      use_.cached -= size * blocks.size();
      blocks.clear();
    }
  }

  std::byte* fresh(size_t size) {
    ECH_CUDA(cudaSetDevice(index_));
    void* block = nullptr;
    cudaError_t status = cudaMalloc(&block, size);
    if (status == cudaErrorMemoryAllocation) {  // other size classes may hold what is missing
      static_cast<void>(cudaGetLastError());
      release();
      status = cudaMalloc(&block, size);
    }
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      fail(ExitCode::out_of_memory, "E9",
           "memory of cuda:{}: found none for {}, {} in use by tensors", index_,
           text::bytes(static_cast<double>(size)),
           text::bytes(static_cast<double>(use_.total_now)));
    }
    ECH_CUDA(status);
    return static_cast<std::byte*>(block);
  }

  const int index_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

class CudaAllocator final : public Allocator {
 public:
  explicit CudaAllocator(int index) : pool_(std::make_shared<Pool>(index)) {}
  std::shared_ptr<std::byte> allocate(size_t bytes, MemoryCategory category) override {
    const size_t size = size_class(bytes);
    std::byte* const block = pool_->take(size, category);
    return {block,
            [pool = pool_, size, category](std::byte* p) { pool->give_back(p, size, category); }};
  }
  Device device() const override { return {DeviceKind::cuda, pool_->index()}; }
  MemoryUse use() const override { return pool_->use(); }

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace

std::shared_ptr<Allocator> make_allocator(int index) {
  return std::make_shared<CudaAllocator>(index);
}

}  // namespace echelon::backend::cuda
