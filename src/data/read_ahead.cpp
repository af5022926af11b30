#include "read_ahead.h"

#include <algorithm>

namespace echelon::data {

ReadAhead::ReadAhead(Read read, int64_t depth, int64_t workers)
    : read_(std::move(read)), depth_(static_cast<size_t>(depth)) {
  if (depth == 0) workers = 0;
  if (workers == 0) depth_ = 0;
  for (int64_t i = 0; i < workers; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

ReadAhead::~ReadAhead() {
  for (auto& thread : threads_) thread.request_stop();
  wake_.notify_all();
}

void ReadAhead::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto waiting = [this] {
    return std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job->started; });
  };
  while (wake_.wait(lock, stop, [&] { return waiting() != jobs_.end(); }), !stop.stop_requested()) {
    const auto job = *waiting();
    job->started = true;
    lock.unlock();
    Batch batch;
    std::exception_ptr error;
    try {
      batch = read_(job->first, job->count);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    job->batch = std::move(batch);
    job->error = error;
    job->done = true;
    finished_.notify_all();
  }
}

void ReadAhead::expect(int64_t first, int64_t count) {
  stride_ = last_count_ == count && first > last_ && last_ >= 0 ? first - last_ : 0;
  last_ = first;
  last_count_ = count;
  const auto unexpected = [&](const auto& job) {
    const int64_t ahead = job->first - first;
    return stride_ == 0 || job->count != count || ahead <= 0 || ahead % stride_ != 0 ||
           ahead / stride_ > static_cast<int64_t>(depth_);
  };
  std::erase_if(jobs_, unexpected);
  if (stride_ == 0) return;
  for (size_t i = 1; i <= depth_; ++i) {
    const int64_t next = first + static_cast<int64_t>(i) * stride_;
    if (std::any_of(jobs_.begin(), jobs_.end(),
                    [&](const auto& job) { return job->first == next; }))
      continue;
    auto job = std::make_shared<Job>();
    job->first = next;
    job->count = count;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_all();
}

Batch ReadAhead::take(int64_t first, int64_t count) {
  if (depth_ == 0) return read_(first, count);
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) {
    return job->started && job->first == first && job->count == count;
  });
  const std::shared_ptr<Job> job = found == jobs_.end() ? nullptr : *found;
  expect(first, count);
  if (!job) {
    lock.unlock();
    return read_(first, count);
  }
  finished_.wait(lock, [&] { return job->done; });
  if (job->error) std::rethrow_exception(job->error);
  return std::move(job->batch);
}

}  // namespace echelon::data
