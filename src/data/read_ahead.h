#pragma once
// Jobs done ahead by threads, taken in any order by one caller.
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "echelon/data/loader.h"

namespace echelon::data {

class ReadAhead {
 public:
  using Read = std::function<Batch(int64_t first, int64_t count)>;
  /// `read` is called from the caller's and from all worker threads.
  ReadAhead(Read read, int64_t depth, int64_t workers);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  Batch take(int64_t first, int64_t count);

 private:
  struct Job {
    int64_t first, count;
    bool started = false, done = false;
    Batch batch;
    std::exception_ptr error;
  };
  void work(const std::stop_token& stop);
  /// Queues the takes expected after (first, count) and forgets others.
  void expect(int64_t first, int64_t count);

  Read read_;
  size_t depth_;
  int64_t last_ = -1, last_count_ = 0, stride_ = 0;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

}  // namespace echelon::data
