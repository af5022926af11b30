#pragma once
// Waiting for MPI without taking the core from somebody who could use it.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace echelon::comm {

/// Returns at once, then yields, then sleeps longer and longer (up to 200 us).
class Backoff {
 public:
  void pause() {
    ++turns_;
    if (turns_ <= kEager) return;
    if (turns_ <= kEager + kYields) {
      ::sched_yield();
    } else {
      const int beyond = std::min(turns_ - kEager - kYields, 20);
      std::this_thread::sleep_for(std::chrono::microseconds(10 * beyond));
    }
  }

 private:
  static constexpr int kEager = 20, kYields = 500;
  int turns_ = 0;
};

}  // namespace echelon::comm
