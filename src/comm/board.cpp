#include "src/comm/board.h"

#include <emmintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <ctime>
#include <new>

#include "echelon/base/text.h"

namespace echelon::comm {

Board* Board::create(std::byte* memory, int seats) {
  auto* board = new (memory) Board;
  for (int i = 0; i < seats; ++i) new (board->seats() + i) Seat;
  return board;
}

Meeting::Meeting(Board* board, int rank, int size, std::string group, std::vector<int> world_ranks,
                 WaitRule rule)
    : board_(board),
      rank_(rank),
      size_(size),
      group_(std::move(group)),
      world_ranks_(std::move(world_ranks)),
      rule_(std::move(rule)) {}

void Meeting::open(const Posted& mine) {
  if (rule_.together) rule_.look();
  mine_ = mine;
  opened_ = phase_ + 1;
  board_->seats()[rank_].posted[opened_ % 2] = mine;
  arrive_and_wait(rule_.together ? Patience::together : Patience::impatient);
  for (int r = 0; r < size_; ++r) {
    if (posted(r).call == mine.call) continue;
    std::vector<Posted> all;
    for (int i = 0; i < size_; ++i) all.push_back(posted(i));
    check_same(all, group_, world_ranks_);
  }
}

void Meeting::phase() { arrive_and_wait(Patience::impatient); }
void Meeting::close() { arrive_and_wait(Patience::patient); }

// A rank can be one phase ahead at most: it needs this rank's next arrival to get further. That is
// why two slots per seat are enough, and why equal-or-later means arrived.
void Meeting::arrive_and_wait(Patience patience) {
  const bool together = patience == Patience::together;
  arrive();
  for (int r = 0; r < size_; ++r)
    if (r != rank_) wait_for(r, patience);
  if (!together || decide(true)) return;
  rule_.look();
  fail(ExitCode::communication, "P18", "group {}: another rank is stopping", group_);
}

namespace {

// The lower half of the counter (little-endian) is the word the kernel compares.
uint32_t* futex_word(std::atomic<uint64_t>& phase) { return reinterpret_cast<uint32_t*>(&phase); }

void sleep_on(std::atomic<uint64_t>& phase, uint64_t seen, int milliseconds) {
  const timespec limit{0, milliseconds * 1000000L};
  ::syscall(SYS_futex, futex_word(phase), FUTEX_WAIT, static_cast<uint32_t>(seen), &limit, nullptr,
            0);
}

}  // namespace

void Meeting::arrive() {
  Seat& seat = board_->seats()[rank_];
  seat.phase.store(++phase_);  // sequentially consistent, as the sleepers' count: no lost wake-up
  if (seat.sleepers.load() > 0)
    ::syscall(SYS_futex, futex_word(seat.phase), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Meeting::wait_for(int rank, Patience& patience) {
  Seat& seat = board_->seats()[rank];
  const int spins = rule_.crowded ? 5 : 50, yields = rule_.crowded ? 5 : 100;
  for (int i = 0; i < spins; ++i) {
    if (seat.phase.load(std::memory_order_acquire) >= phase_) return;
    _mm_pause();
  }
  for (int i = 0; i < yields; ++i) {
    if (seat.phase.load(std::memory_order_acquire) >= phase_) return;
    ::sched_yield();
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int naps = 1;; ++naps) {
    seat.sleepers.fetch_add(1);
    const uint64_t seen = seat.phase.load();
    if (seen < phase_) sleep_on(seat.phase, seen, std::min(naps, 20));
    seat.sleepers.fetch_sub(1);
    if (seat.phase.load(std::memory_order_acquire) >= phase_) return;
    look_around(patience,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
}

void Meeting::look_around(Patience& patience, double waited) {
  if (patience == Patience::patient && waited <= rule_.stuck_seconds) return;
  try {
    if (patience != Patience::patient && rule_.look) rule_.look();
    if (waited > rule_.stuck_seconds) report_stuck(waited);
  } catch (...) {
    if (patience != Patience::together || !decide(false)) throw;
    patience = Patience::patient;  // all have arrived and some are already at work
  }
}

bool Meeting::decide(bool go) {
  const uint64_t wanted = 2 * phase_ + (go ? 0 : 1);
  uint64_t found = board_->decision.load(std::memory_order_acquire);
  while (found < 2 * phase_)
    if (board_->decision.compare_exchange_weak(found, wanted, std::memory_order_acq_rel))
      found = wanted;
  return found != 2 * phase_ + 1;
}

void Meeting::report_stuck(double waited) {
  std::vector<std::string> missing;
  for (int r = 0; r < size_; ++r)
    if (board_->seats()[r].phase.load() < phase_)
      missing.push_back(std::to_string(world_ranks_[static_cast<size_t>(r)]));
  const std::string message = fmt::format(
      "rank {}: group {}: {} #{}: waited {} for rank {}, which did not arrive; the run ends; look "
      "at "
      "what that rank was doing",
      world_ranks_[static_cast<size_t>(rank_)], group_, to_string(mine_.call), mine_.serial,
      text::duration(waited), text::join(missing, ", "));
  if (rule_.stuck) rule_.stuck(message);
  throw Error(ExitCode::watchdog, "N1", message);
}

}  // namespace echelon::comm
