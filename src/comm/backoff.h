#pragma once
// Waiting without taking the core from somebody who could use it.
#include <emmintrin.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace echelon::comm {

/// Pauses, then yields, then sleeps longer and longer (up to 200 us).
class Backoff {
 public:
  /// `spins`: processor pauses before the first yield; few when ranks outnumber cores.
  explicit Backoff(int spins) : spins_(spins) {}

  void pause() {
    ++turns_;
    if (turns_ <= spins_) {
      _mm_pause();
    } else if (turns_ <= spins_ + kYields) {
      ::sched_yield();
    } else {
      const int beyond = std::min(turns_ - spins_ - kYields, 20);
      std::this_thread::sleep_for(std::chrono::microseconds(10 * beyond));
    }
  }
  /// Whether the wait has become long enough that looking around costs nothing.
  bool slow() const { return turns_ > spins_; }
  void start_over() { turns_ = 0; }

 private:
  static constexpr int kYields = 1000;
  int spins_;
  int turns_ = 0;
};

}  // namespace echelon::comm
