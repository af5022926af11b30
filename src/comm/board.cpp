#include "src/comm/board.h"

#include <chrono>
#include <new>

#include "echelon/base/text.h"
#include "src/comm/backoff.h"

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
  using Clock = std::chrono::steady_clock;
  const bool together = patience == Patience::together;
  ++phase_;
  board_->seats()[rank_].phase.store(phase_, std::memory_order_release);
  Backoff backoff(rule_.spins);
  Clock::time_point begin{};
  int turns = 0;
  for (int r = 0; r < size_; ++r) {
    const auto& seat = board_->seats()[r].phase;
    while (seat.load(std::memory_order_acquire) < phase_) {
      backoff.pause();
      if (!backoff.slow() || ++turns % 16 != 0) continue;  // looking costs system calls
      const auto now = Clock::now();
      if (begin == Clock::time_point{}) begin = now;
      look_around(patience, std::chrono::duration<double>(now - begin).count());
    }
  }
  if (!together || decide(true)) return;
  rule_.look();
  fail(ExitCode::communication, "P18", "group {}: another rank is stopping", group_);
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
