// The scheduler behind include/cuda_runtime.h.
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kStackBytes = size_t{64} << 10;
constexpr size_t kMostShared = size_t{163}
                               << 10;  // of compute capability 8.0, the smallest we target
constexpr unsigned kWarp = 32, kMostThreads = 1024;

struct Barrier {
  unsigned expected = 0, arrived = 0;
  uint64_t generation = 0;
};

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack;
  uint3 thread;
  const Barrier* waits_for = nullptr;
  uint64_t generation = 0;  // of waits_for, when the wait began
  unsigned exchanges = 0;
  bool done = false;
  void* fake_stack = nullptr;
};

/// Tells the address sanitizer about stacks; nothing otherwise.
void leave(void** fake_stack, const void* bottom, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
#else
  static_cast<void>(fake_stack), static_cast<void>(bottom), static_cast<void>(bytes);
#endif
}
void enter(void* fake_stack, const void** bottom, size_t* bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
#else
  static_cast<void>(fake_stack), static_cast<void>(bottom), static_cast<void>(bytes);
#endif
}

class Machine {
 public:
  Order order = Order::ascending;

  void launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread) {
    const unsigned threads = block.x * block.y * block.z;
    if (threads == 0 || threads > kMostThreads || grid.x * grid.y * grid.z == 0)
      throw std::runtime_error("launch of an empty grid or of a block of " +
                               std::to_string(threads) + " threads");
    if (grid.y > 65535 || grid.z > 65535) throw std::runtime_error("grid y or z beyond 65535");
    if (shared_bytes > kMostShared)
      throw std::runtime_error(std::to_string(shared_bytes) + " bytes of shared memory");
    body_ = &thread;
    blockDim = block;
    gridDim = grid;
    shared_ = std::make_unique<std::byte[]>(shared_bytes);
    while (fibers_.size() < threads) fibers_.emplace_back();
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
          blockIdx = {x, y, z};
          if (shared_bytes > 0) std::memset(shared_.get(), 0xff, shared_bytes);
          run_block(threads);
        }
  }

  void* shared() { return shared_.get(); }
  void block_barrier() { wait_at(block_); }

  const uint64_t* exchange(uint64_t word) {
    const unsigned at = index(), warp = at / kWarp;
    // Two buffers: a lane can be one exchange ahead of the slowest reader, never two.
    uint64_t* const words = words_[warp][fibers_[at].exchanges++ % 2].data();
    words[at % kWarp] = word;
    wait_at(warps_[warp]);
    return words;
  }

  bool block_any(bool mine) {
    votes_[index()] = mine;
    wait_at(block_);
    bool any = false;
    for (unsigned t = 0; t < block_.expected; ++t) any = any || votes_[t];
    wait_at(block_);
    return any;
  }

 private:
  static unsigned index() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }

  void wait_at(Barrier& barrier) {
    if (++barrier.arrived == barrier.expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      return;
    }
    Fiber& fiber = fibers_[index()];
    fiber.waits_for = &barrier;
    fiber.generation = barrier.generation;
    leave(&fiber.fake_stack, main_bottom_, main_bytes_);
    swapcontext(&fiber.context, &main_);
    enter(fiber.fake_stack, &main_bottom_, &main_bytes_);
  }

  static void start(Fiber& fiber) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Machine::entry, 0);
  }

  void prepare(unsigned threads) {
    block_ = {threads, 0, 0};
    for (unsigned w = 0; w * kWarp < threads; ++w)
      warps_[w] = {std::min(kWarp, threads - w * kWarp), 0, 0};
    for (unsigned t = 0; t < threads; ++t) {
      Fiber& fiber = fibers_[t];
      if (!fiber.stack) fiber.stack = std::make_unique<std::byte[]>(kStackBytes);
      fiber.thread = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
      fiber.waits_for = nullptr;
      fiber.exchanges = 0;
      fiber.done = false;
      fiber.fake_stack = nullptr;
      start(fiber);
    }
  }

  void run_block(unsigned threads) {
    prepare(threads);
    for (unsigned left = threads; left > 0;) {
      bool moved = false;
      for (unsigned i = 0; i < threads; ++i) {
        Fiber& fiber = fibers_[order == Order::ascending ? i : threads - 1 - i];
        if (fiber.done) continue;
        if (fiber.waits_for && fiber.waits_for->generation == fiber.generation) continue;
        fiber.waits_for = nullptr;
        resume(fiber);
        moved = true;
        left -= fiber.done ? 1 : 0;
      }
      if (!moved)
        throw std::runtime_error(std::to_string(left) + " of " + std::to_string(threads) +
                                 " threads wait at a barrier that the others never reach");
    }
  }

  void resume(Fiber& fiber) {
    threadIdx = fiber.thread;
    void* fake_stack = nullptr;
    leave(&fake_stack, fiber.stack.get(), kStackBytes);
    swapcontext(&main_, &fiber.context);
    enter(fake_stack, nullptr, nullptr);
  }

  static void entry();
  void run_thread() {
    enter(nullptr, &main_bottom_, &main_bytes_);
    (*body_)();
    fibers_[index()].done = true;
    leave(nullptr, main_bottom_, main_bytes_);  // null: this fiber does not come back
    setcontext(&main_);
  }

  const std::function<void()>* body_ = nullptr;
  std::vector<Fiber> fibers_;
  ucontext_t main_{};
  const void* main_bottom_ = nullptr;
  size_t main_bytes_ = 0;
  std::unique_ptr<std::byte[]> shared_;
  Barrier block_;
  std::array<Barrier, kMostThreads / kWarp> warps_;
  std::array<std::array<std::array<uint64_t, kWarp>, 2>, kMostThreads / kWarp> words_{};
  std::array<bool, kMostThreads> votes_{};
};

/// Kernels see threadIdx and friends as globals, so the machine that sets them is one, too.
Machine& machine() {
  static Machine the_machine;
  return the_machine;
}

void Machine::entry() { machine().run_thread(); }

}  // namespace

void set_order(Order order) { machine().order = order; }
void launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread) {
  machine().launch(grid, block, shared_bytes, thread);
}
void* dynamic_shared() { return machine().shared(); }
void block_barrier() { machine().block_barrier(); }
const uint64_t* exchange(uint64_t word) { return machine().exchange(word); }
bool block_any(bool mine) { return machine().block_any(mine); }

}  // namespace cuda_on_cpu
