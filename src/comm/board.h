#pragma once
// Where the ranks of one group that share memory meet: one seat (two cache lines and what a rank
// posts) per rank. Lies on the heap for threads and in a shared segment for processes.
#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "src/comm/call.h"

namespace echelon::comm {

struct alignas(128) Seat {
  std::atomic<uint64_t> phase{0};     ///< how often this rank has arrived
  std::atomic<uint32_t> sleepers{0};  ///< ranks in the kernel until this one arrives
  Posted posted[2];                   ///< by parity of the phase
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

/// Plain memory: `seats` seats and a word for news that one rank leaves for all.
struct alignas(128) Board {
  std::atomic<int32_t> aborted{0};
  /// Whether the ranks of the latest open() go on or stop: 2 * phase, + 1 for stop.
  std::atomic<uint64_t> decision{0};
  std::atomic<int32_t> error{0};  ///< errno of the rank that makes shared memory for all

  Seat* seats() { return reinterpret_cast<Seat*>(this + 1); }
  static size_t bytes(int seats) {
    return sizeof(Board) + static_cast<size_t>(seats) * sizeof(Seat);
  }
  static Board* create(std::byte* memory, int seats);
};

/// How a wait ends early.
struct WaitRule {
  bool crowded = false;  ///< more ranks than cores: do not spin
  /// Called now and then while waiting; throws when the job is ending.
  std::function<void()> look;
  double stuck_seconds = 1e30;  ///< then Error(watchdog)
  /// Told about a watchdog error before it is thrown.
  std::function<void(const std::string&)> stuck;
  /// A rank that leaves open() early frees memory that others may be about to read, so all ranks
  /// leave or none does. Needed where ranks share more than shared segments (threads).
  bool together = false;
};

/// One rank's seat at a board. A phase is a barrier; what is written before a phase is seen by all
/// after it.
class Meeting {
 public:
  Meeting(Board* board, int rank, int size, std::string group, std::vector<int> world_ranks,
          WaitRule rule);
  /// Phase that compares the calls and throws on every rank when they differ.
  void open(const Posted& mine);
  void phase();
  /// Phase that an abort does not interrupt: peers may still be reading this rank's memory.
  void close();
  /// What `rank` posted in the last open(); valid until the next phase.
  const Posted& posted(int rank) const { return board_->seats()[rank].posted[opened_ % 2]; }

 private:
  enum class Patience { impatient, together, patient };
  void arrive_and_wait(Patience patience);
  void arrive();
  void wait_for(int rank, Patience& patience);
  void look_around(Patience& patience, double waited);
  /// Agrees with the other ranks on whether this phase goes on; false: it stops.
  bool decide(bool go);
  [[noreturn]] void report_stuck(double waited);

  Board* board_;
  int rank_, size_;
  std::string group_;
  std::vector<int> world_ranks_;
  WaitRule rule_;
  uint64_t phase_ = 0, opened_ = 0;
  Posted mine_;
};

}  // namespace echelon::comm
