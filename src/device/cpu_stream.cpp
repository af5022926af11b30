#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "echelon/device/stream.h"

namespace echelon {

namespace {

/// Set by the worker thread.
class Finished final : public Event::State {
 public:
  void finish(std::exception_ptr error) {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
      error_ = std::move(error);
    }
    changed_.notify_all();
  }
  void wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
    if (error_) std::rethrow_exception(error_);
  }
  bool done() override {
    const std::lock_guard lock(mutex_);
    return done_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::exception_ptr error_;
};

}  // namespace

void Event::wait() const {
  if (state_) state_->wait();
}
bool Event::done() const { return !state_ || state_->done(); }

namespace {

class InlineStream final : public Stream {
 public:
  Device device() const override { return {}; }
  void run(std::function<void()> work) override { work(); }
  Event record() override { return {}; }
  void wait(const Event& event) override { event.wait(); }
  void synchronize() override {}
};

class WorkerStream final : public Stream {
 public:
  explicit WorkerStream(const char* name) : thread_([this] { loop(); }) {
    ::pthread_setname_np(thread_.native_handle(), name);
  }
  ~WorkerStream() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Device device() const override { return {}; }

  void run(std::function<void()> work) override {
    push([this, work = std::move(work)] {
      if (error_) return;
      try {
        work();
      } catch (...) {
        error_ = std::current_exception();
      }
    });
  }

  Event record() override {
    auto state = std::make_shared<Finished>();
    push([this, state] { state->finish(error_); });
    return Event(std::move(state));
  }

  void wait(const Event& event) override {
    run([event] { event.wait(); });
  }

  void synchronize() override {
    auto state = std::make_shared<Finished>();
    push([this, state] { state->finish(std::exchange(error_, nullptr)); });
    state->wait();
  }

 private:
  void push(std::function<void()> item) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(item));
    }
    changed_.notify_all();
  }

  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto item = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      item();
      item = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool closing_ = false;
  std::exception_ptr error_;  // touched by the worker thread alone
  std::thread thread_;        // last: starts when everything above exists
};

}  // namespace

std::unique_ptr<Stream> make_inline_stream() { return std::make_unique<InlineStream>(); }
std::unique_ptr<Stream> make_worker_stream(const char* name) {
  return std::make_unique<WorkerStream>(name);
}

}  // namespace echelon
