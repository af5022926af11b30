#pragma once
#include <atomic>
#include <thread>

namespace echelon::trainer {

enum class StopRequest { none = 0, save_and_stop = 1, stop = 2 };

/// Takes SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 of the process for its lifetime. USR1, USR2 and the
/// first INT ask for "finish the step, save, stop"; TERM leaves too little time to save under
/// mpirun and asks for "stop"; a second INT ends the process at once. Make it before any other
/// thread.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  StopRequest request() const { return static_cast<StopRequest>(request_.load()); }

 private:
  void watch();
  std::atomic<int> request_ = 0;
  std::atomic<bool> closing_ = false;
  std::thread watcher_;
};

}  // namespace echelon::trainer
