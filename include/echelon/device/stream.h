#pragma once
// Order of asynchronous work. On the CPU compute runs inline; communication may run on a worker.
#include <functional>
#include <memory>

#include "echelon/device/device.h"

namespace echelon {

/// A point in a stream. Copies share it. `wait` blocks the calling thread and rethrows what the
/// work before it threw.
class Event {
 public:
  /// What a kind of stream knows about the point.
  class State {
   public:
    virtual ~State() = default;
    virtual void wait() = 0;
    virtual bool done() = 0;
  };
  Event() = default;  ///< already done
  explicit Event(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void wait() const;
  bool done() const;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

/// Work handed to `run` is executed in order. Not copyable; destroy waits for what was handed in.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual Device device() const = 0;
  /// Executes `work` now (inline stream) or later on the stream's thread (worker stream). After
  /// an exception a worker stream skips everything until `synchronize` or an Event rethrows it.
  virtual void run(std::function<void()> work) = 0;
  virtual Event record() = 0;
  /// Work handed in later starts after `event`.
  virtual void wait(const Event& event) = 0;
  virtual void synchronize() = 0;
};

std::unique_ptr<Stream> make_inline_stream();
/// One thread of its own named `name` (at most 15 characters, as shown by top -H).
std::unique_ptr<Stream> make_worker_stream(const char* name);

}  // namespace echelon
