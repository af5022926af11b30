#pragma once
// Messages between ranks that are threads: the receiver copies straight out of the sender's buffer.
// A send ends when its data has been taken, as large MPI messages do, so that tests find schedules
// that rely on buffering.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "src/comm/fabric.h"

namespace echelon::comm {

class Mailbox {
 public:
  explicit Mailbox(int ranks) : ranks_(ranks), lanes_(static_cast<size_t>(ranks * ranks)) {}

  /// `look` is called now and then and throws when the job is ending; `name` turns a transfer of
  /// this rank into text for errors.
  void transfer(int rank, std::span<const Transfer> transfers, const std::function<void()>& look,
                const std::function<std::string(const Transfer&)>& name);

 private:
  struct Message {
    const std::byte* data;
    size_t bytes;
    enum class State { waiting, taken, done, refused } state = State::waiting;
    size_t wanted = 0;  // by the receiver that refused it
  };
  using Lane = std::deque<Message*>;
  Lane& lane(int from, int to) { return lanes_[static_cast<size_t>(from * ranks_ + to)]; }
  void receive(int rank, const Transfer& t, const std::function<void()>& look,
               const std::function<std::string(const Transfer&)>& name);
  void wait(std::unique_lock<std::mutex>& lock, const std::function<void()>& look,
            const std::function<bool()>& ready);
  void withdraw(int rank, std::span<const Transfer> transfers, std::deque<Message>& sent);

  int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Lane> lanes_;
};

}  // namespace echelon::comm
