#include "src/comm/mailbox.h"

#include <chrono>
#include <cstring>

namespace echelon::comm {

void Mailbox::wait(std::unique_lock<std::mutex>& lock, const std::function<void()>& look,
                   const std::function<bool()>& ready) {
  while (!changed_.wait_for(lock, std::chrono::milliseconds(20), ready)) {
    lock.unlock();
    look();
    lock.lock();
  }
}

void Mailbox::receive(int rank, const Transfer& t, const std::function<void()>& look,
                      const std::function<std::string(const Transfer&)>& name) {
  Lane& from = lane(t.peer, rank);
  Message* message = nullptr;
  {
    std::unique_lock lock(mutex_);
    wait(lock, look, [&] { return !from.empty(); });
    message = from.front();
    from.pop_front();
    const bool fits = message->bytes == t.bytes;
    message->wanted = t.bytes;
    message->state = fits ? Message::State::taken : Message::State::refused;
    if (!fits) {
      const size_t found = message->bytes;
      changed_.notify_all();
      fail(ExitCode::communication, "N4",
           "{}: found a message of {} bytes, wanted {}; nothing was received; both sides must "
           "agree on the size",
           name(t), found, t.bytes);
    }
  }
  std::memcpy(t.data, message->data, t.bytes);
  {
    const std::lock_guard lock(mutex_);
    message->state = Message::State::done;
  }
  changed_.notify_all();
}

// The sender's buffer and message live on its stack: it leaves only when nobody can reach them.
void Mailbox::withdraw(int rank, std::span<const Transfer> transfers, std::deque<Message>& sent) {
  std::unique_lock lock(mutex_);
  for (const Transfer& t : transfers) {
    if (!t.sending) continue;
    std::erase_if(lane(rank, t.peer), [&](const Message* queued) {
      for (const Message& m : sent)
        if (&m == queued) return true;
      return false;
    });
  }
  changed_.wait(lock, [&] {
    for (const Message& m : sent)
      if (m.state == Message::State::taken) return false;
    return true;
  });
}

void Mailbox::transfer(int rank, std::span<const Transfer> transfers,
                       const std::function<void()>& look,
                       const std::function<std::string(const Transfer&)>& name) {
  std::deque<Message> sent;
  try {
    {
      const std::lock_guard lock(mutex_);
      for (const Transfer& t : transfers)
        if (t.sending) {
          sent.push_back({t.data, t.bytes});
          lane(rank, t.peer).push_back(&sent.back());
        }
    }
    changed_.notify_all();
    for (const Transfer& t : transfers)
      if (!t.sending) receive(rank, t, look, name);
    size_t next = 0;
    for (const Transfer& t : transfers) {
      if (!t.sending) continue;
      const Message& m = sent[next++];
      std::unique_lock lock(mutex_);
      wait(lock, look,
           [&] { return m.state == Message::State::done || m.state == Message::State::refused; });
      if (m.state == Message::State::refused)
        fail(ExitCode::communication, "N4",
             "{}: found a message of {} bytes, wanted {}; nothing was received; both sides must "
             "agree on the size",
             name(t), m.bytes, m.wanted);
    }
  } catch (...) {
    withdraw(rank, transfers, sent);
    throw;
  }
}

}  // namespace echelon::comm
