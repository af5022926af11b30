// Kind thread: ranks are threads of one process. Calls are always direct; a group's state is shared
// by its ranks and goes when the last of them lets go.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "echelon/base/log.h"
#include "echelon/base/text.h"
#include "echelon/comm/world.h"
#include "src/comm/board.h"
#include "src/comm/mailbox.h"

namespace echelon::comm {

namespace {

/// What all ranks of one run_thread_ranks share.
class ThreadJob {
 public:
  explicit ThreadJob(double stuck_seconds) : stuck_seconds_(stuck_seconds) {}

  double stuck_seconds() const { return stuck_seconds_; }
  /// The first reason wins.
  void stop(std::exception_ptr why, std::string reason) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    why_ = std::move(why);
    reason_ = std::move(reason);
    stopped_ = true;
  }
  void look() const {
    if (!stopped_) return;
    const std::lock_guard lock(mutex_);
    fail(ExitCode::communication, "P18", "stopping because {}", reason_);
  }
  std::exception_ptr why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  double stuck_seconds_;
  mutable std::mutex mutex_;
  std::atomic<bool> stopped_ = false;
  std::exception_ptr why_;
  std::string reason_;
};

/// What the ranks of one group share.
struct ThreadGroup {
  ThreadGroup(std::shared_ptr<ThreadJob> job_, std::string name_, std::vector<int> world_ranks_)
      : job(std::move(job_)),
        name(std::move(name_)),
        world_ranks(std::move(world_ranks_)),
        mailbox(size()),
        memory(zeroed_memory(Board::bytes(size()) + alignof(Seat))),
        handed(world_ranks.size()) {
    void* at = memory.get();
    size_t room = Board::bytes(size()) + alignof(Seat);
    std::align(alignof(Board), Board::bytes(size()), at, room);
    board = Board::create(static_cast<std::byte*>(at), size());
  }
  int size() const { return static_cast<int>(world_ranks.size()); }

  std::shared_ptr<ThreadJob> job;
  std::string name;
  std::vector<int> world_ranks;
  Mailbox mailbox;
  std::shared_ptr<std::byte> memory;
  Board* board = nullptr;
  std::vector<std::shared_ptr<ThreadGroup>>
      handed;  // split: from the first rank of a part to the rest
};

class ThreadFabric final : public Fabric {
 public:
  ThreadFabric(std::shared_ptr<ThreadGroup> group, int rank)
      : group_(std::move(group)),
        rank_(rank),
        meeting_(group_->board, rank, size(), group_->name, group_->world_ranks, rule()) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  const std::string& name() const override { return group_->name; }

  void open(Call call, const std::byte* data, size_t) override {
    meeting_.open({call, ++serial_, 0, reinterpret_cast<uintptr_t>(data), 0, 0});
  }
  bool direct() const override { return true; }
  std::byte* peer(int rank) const override {
    return reinterpret_cast<std::byte*>(meeting_.posted(rank).address);
  }
  void phase() override { meeting_.phase(); }
  void close() override { meeting_.close(); }

  void transfer(std::span<const Transfer> transfers) override {
    const auto begin = std::chrono::steady_clock::now();
    const auto look = [&] {
      group_->job->look();
      const double waited =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (waited > group_->job->stuck_seconds()) stuck(transfers, waited);
    };
    group_->job->look();
    group_->mailbox.transfer(rank_, transfers, look,
                             [&](const Transfer& t) { return describe(t); });
  }

  std::unique_ptr<Fabric> split(int color, int key, const std::string& name) override;
  std::shared_ptr<std::byte> symmetric_memory(size_t bytes) override {
    open({Op::symmetric_memory, DType::u8, ReduceOp::sum, -1, static_cast<int64_t>(bytes)}, nullptr,
         0);
    return zeroed_memory(bytes);
  }
  void abort(ExitCode code) noexcept override {
    const std::string reason = fmt::format("rank {} ended the run with code {}", world_rank(rank_),
                                           static_cast<int>(code));
    group_->job->stop(std::make_exception_ptr(Error(code, "P18", reason)), reason);
  }

 private:
  int world_rank(int rank) const { return group_->world_ranks[static_cast<size_t>(rank)]; }
  std::string describe(const Transfer& t) const {
    return fmt::format("rank {}: group {}: {} rank {}", world_rank(rank_), group_->name,
                       t.sending ? "send to" : "recv from", world_rank(t.peer));
  }
  [[noreturn]] void stuck(std::span<const Transfer> transfers, double waited) {
    std::vector<std::string> calls;
    for (const Transfer& t : transfers)
      calls.push_back(fmt::format("{} rank {} ({} bytes)", t.sending ? "send to" : "recv from",
                                  world_rank(t.peer), t.bytes));
    const std::string message = fmt::format(
        "rank {}: group {}: waited {} in {}; the run ends; look at what the other side was doing",
        world_rank(rank_), group_->name, text::duration(waited), text::join(calls, ", "));
    give_up(message);
    throw Error(ExitCode::watchdog, "N1", message);
  }
  void give_up(const std::string& message) {
    log::error("N1: {}", message);
    group_->job->stop(std::make_exception_ptr(Error(ExitCode::watchdog, "N1", message)), message);
  }
  WaitRule rule() {
    const bool crowded = static_cast<int>(group_->size()) > usable_cores();
    return {crowded, [job = group_->job] { job->look(); }, group_->job->stuck_seconds(),
            [this](const std::string& m) { give_up(m); }, true};
  }

  std::shared_ptr<ThreadGroup> group_;
  int rank_;
  uint64_t serial_ = 0;
  Meeting meeting_;
};

std::unique_ptr<Fabric> ThreadFabric::split(int color, int key, const std::string& name) {
  meeting_.open({{Op::split, DType::u8, ReduceOp::sum, -1, 0}, ++serial_, -1, 0, color, key});
  std::vector<std::pair<int, int>> members;  // key, old rank
  for (int r = 0; r < size(); ++r)
    if (const Posted& p = meeting_.posted(r); color >= 0 && p.color == color)
      members.push_back({p.key, r});
  std::sort(members.begin(), members.end());
  std::vector<int> world_ranks;
  int mine = -1;
  for (size_t i = 0; i < members.size(); ++i) {
    world_ranks.push_back(world_rank(members[i].second));
    if (members[i].second == rank_) mine = static_cast<int>(i);
  }
  if (mine == 0)
    group_->handed[static_cast<size_t>(rank_)] =
        std::make_shared<ThreadGroup>(group_->job, name, world_ranks);
  meeting_.phase();
  std::unique_ptr<Fabric> part;
  if (mine >= 0)
    part = std::make_unique<ThreadFabric>(group_->handed[static_cast<size_t>(members[0].second)],
                                          mine);
  meeting_.phase();
  group_->handed[static_cast<size_t>(rank_)].reset();
  return part;
}

}  // namespace

void run_thread_ranks(int ranks, const std::function<void(Communicator& world)>& body,
                      double stuck_seconds) {
  ECH_CHECK(ranks > 0, "{} ranks", ranks);
  auto job = std::make_shared<ThreadJob>(stuck_seconds);
  std::vector<int> world_ranks;
  for (int r = 0; r < ranks; ++r) world_ranks.push_back(r);
  auto group = std::make_shared<ThreadGroup>(job, "world", world_ranks);
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      try {
        const auto world = make_group(std::make_unique<ThreadFabric>(group, r));
        body(*world);
      } catch (const std::exception& e) {
        job->stop(std::current_exception(), fmt::format("rank {} threw: {}", r, e.what()));
      } catch (...) {
        job->stop(std::current_exception(), fmt::format("rank {} threw", r));
      }
    });
  for (auto& thread : threads) thread.join();
  if (const auto why = job->why()) std::rethrow_exception(why);
}

}  // namespace echelon::comm
