// Kind mpi. Ranks of one host meet at a board in shared memory and pass data through it; MPI makes
// the groups, carries messages and what crosses hosts.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "echelon/base/text.h"
#include "echelon/device/device.h"
#include "src/comm/board.h"
#include "src/comm/mpi_job.h"
#include "src/comm/shared_segment.h"

namespace echelon::comm {

namespace {

constexpr size_t kSmallSlot = size_t{8} << 10;
constexpr size_t kLargeSlot = size_t{128} << 10;  // measured: bench_comm
constexpr size_t kLargeTotal = size_t{24} << 20;

size_t large_slot_bytes(int ranks) {
  const size_t share = kLargeTotal / static_cast<size_t>(2 * ranks + 2) / 4096 * 4096;
  return std::max(std::min(kLargeSlot, share), static_cast<size_t>(ranks) * 64);
}

/// Memory that collectives reduce in place: one part per local rank in one segment.
struct Region {
  std::weak_ptr<std::byte> memory;  // of the whole segment; users hold it
  std::byte* base = nullptr;
  size_t part = 0;
};

class MpiFabric final : public Fabric {
 public:
  MpiFabric(std::shared_ptr<MpiJob> job, std::unique_ptr<MpiComm> comm, std::string name);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const std::string& name() const override { return name_; }
  void open(Call call, const std::byte* data, size_t bytes) override;
  bool direct() const override { return direct_; }
  std::byte* peer(int rank) const override;
  void phase() override {
    if (locals() > 1) meeting_->phase();
  }
  void close() override { phase(); }
  Slots small_slots() override { return size_ > 1 ? small_ : Slots{}; }
  Slots large_slots() override;
  bool spans_hosts() const override { return locals() < size_; }
  void trade(const BytesOf& outgoing, const BytesOf& incoming) override;
  void spread(std::span<std::byte> mine, const BytesOf& incoming) override;
  void transfer(std::span<const Transfer> transfers) override {
    mpi_transfer(comm_->get(), Tag::message, transfers, name_);
  }
  std::unique_ptr<Fabric> split(int color, int key, const std::string& name) override;
  std::shared_ptr<std::byte> symmetric_memory(size_t bytes) override;
  void abort(ExitCode code) noexcept override {
    if (board_) board_->aborted = 1;
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
    ::_exit(static_cast<int>(code));
  }

 private:
  int locals() const { return static_cast<int>(local_ranks_.size()); }
  void find_members();
  void meet_host();
  SharedSegment share(size_t bytes);
  void check_shared(int error, size_t bytes) const;
  void locate(Posted& posted, const std::byte* data, size_t bytes) const;
  WaitRule rule() const;
  void look_at_peers() const;

  std::shared_ptr<MpiJob> job_;
  std::unique_ptr<MpiComm> comm_;
  std::string name_;
  int rank_ = 0, size_ = 1;
  std::vector<int> world_ranks_;  // per group rank
  std::vector<int> hosts_;        // per group rank
  std::vector<int> local_ranks_;  // group ranks on this host, ascending
  int local_ = 0;                 // position in it
  std::string segment_name_;
  int64_t segments_ = 0;
  SharedSegment common_, large_;
  Board* board_ = nullptr;
  std::unique_ptr<Meeting> meeting_;
  Slots small_;
  uint64_t serial_ = 0;
  bool direct_ = false;
  std::vector<Posted> posted_;  // of the last open()
  std::map<int64_t, Region> regions_;
  std::shared_ptr<std::byte> direct_memory_;  // alive during a direct call
};

MpiFabric::MpiFabric(std::shared_ptr<MpiJob> job, std::unique_ptr<MpiComm> comm, std::string name)
    : job_(std::move(job)), comm_(std::move(comm)), name_(std::move(name)) {
  ECH_MPI(MPI_Comm_rank(comm_->get(), &rank_));
  ECH_MPI(MPI_Comm_size(comm_->get(), &size_));
  find_members();
  posted_.resize(static_cast<size_t>(size_));
  if (size_ > 1) meet_host();
}

void MpiFabric::find_members() {
  int mine = 0;
  ECH_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &mine));
  world_ranks_.resize(static_cast<size_t>(size_));
  ECH_MPI(MPI_Allgather(&mine, 1, MPI_INT, world_ranks_.data(), 1, MPI_INT, comm_->get()));
  for (const int world : world_ranks_) hosts_.push_back(job_->host_of[static_cast<size_t>(world)]);
  for (int r = 0; r < size_; ++r) {
    if (hosts_[static_cast<size_t>(r)] != hosts_[static_cast<size_t>(rank_)]) continue;
    if (r == rank_) local_ = locals();
    local_ranks_.push_back(r);
  }
}

// The first rank of each host makes the segment and passes its name on; an error travels the same
// way, so that all ranks of the host throw.
void MpiFabric::meet_host() {
  MPI_Comm raw = MPI_COMM_NULL;
  ECH_MPI(MPI_Comm_split(comm_->get(), hosts_[static_cast<size_t>(rank_)], rank_, &raw));
  const MpiComm host(raw);
  const size_t board = (Board::bytes(locals()) + 63) / 64 * 64;
  const size_t bytes = board + Slots::total(kSmallSlot, size_);
  struct {
    char name[60] = "";
    int error = 0;
  } note;
  static_assert(sizeof note == 64);
  if (local_ == 0) {
    fmt::format_to_n(note.name, sizeof note.name - 1, "/echelon.{}.{}", ::getpid(),
                     job_->segments++);
    common_ = SharedSegment::create(note.name, bytes, note.error);
    if (note.error == 0) Board::create(common_.data(), locals());
  }
  ECH_MPI(MPI_Bcast(&note, sizeof note, MPI_BYTE, 0, host.get()));
  if (local_ != 0 && note.error == 0) common_ = SharedSegment::open(note.name, bytes, note.error);
  int worst = note.error;
  ECH_MPI(MPI_Allreduce(&note.error, &worst, 1, MPI_INT, MPI_MAX, host.get()));
  if (local_ == 0) SharedSegment::unlink(note.name);
  check_shared(worst, bytes);
  segment_name_ = note.name;
  board_ = reinterpret_cast<Board*>(common_.data());
  small_ = {common_.data() + board, kSmallSlot, size_};
  std::vector<int> local_world;
  for (const int r : local_ranks_) local_world.push_back(world_ranks_[static_cast<size_t>(r)]);
  meeting_ = std::make_unique<Meeting>(board_, local_, locals(), name_, local_world, rule());
}

void MpiFabric::check_shared(int error, size_t bytes) const {
  if (error == 0) return;
  fail(ExitCode::environment, "E13",
       "/dev/shm: found \"{}\" for {} of group {}, wanted that much shared memory; the run ends; "
       "enlarge /dev/shm (docker: --shm-size) or remove leftovers there",
       std::strerror(error), text::bytes(static_cast<double>(bytes)), name_);
}

WaitRule MpiFabric::rule() const {
  int on_host = 0;
  const int mine = hosts_[static_cast<size_t>(rank_)];
  for (const int h : job_->host_of) on_host += h == mine;
  WaitRule rule;
  rule.crowded = on_host > usable_cores();
  rule.look = [this] { look_at_peers(); };
  return rule;
}

// The launcher ends the job when a rank dies; this is for the case that it died first.
void MpiFabric::look_at_peers() const {
  if (board_->aborted)
    fail(ExitCode::communication, "P18", "group {}: another rank is stopping", name_);
  for (const int r : local_ranks_) {
    const int world = world_ranks_[static_cast<size_t>(r)];
    const int pid = job_->pid_of[static_cast<size_t>(world)];
    if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH)
      fail(ExitCode::communication, "P3",
           "group {}: found rank {} (process {}) gone, wanted it in the next call; the run ends; "
           "look at that rank's last lines",
           name_, world, pid);
  }
}

void MpiFabric::locate(Posted& posted, const std::byte* data, size_t bytes) const {
  for (const auto& [id, region] : regions_) {
    const std::byte* part = region.base + static_cast<size_t>(local_) * region.part;
    if (data < part || data + bytes > part + region.part || region.memory.expired()) continue;
    posted.region = id;
    posted.address = static_cast<uint64_t>(data - part);
    return;
  }
}

void MpiFabric::open(Call call, const std::byte* data, size_t bytes) {
  Posted mine{call, ++serial_, -1, 0, 0, 0};
  direct_ = false;
  direct_memory_.reset();
  if (spans_hosts()) {
    std::vector<MPI_Request> request(1);
    ECH_MPI(MPI_Iallgather(&mine, sizeof mine, MPI_BYTE, posted_.data(), sizeof mine, MPI_BYTE,
                           comm_->get(), request.data()));
    mpi_wait(request);
    check_same(posted_, name_, world_ranks_);
    return;
  }
  if (data) locate(mine, data, bytes);
  meeting_->open(mine);
  if (mine.region < 0) return;
  for (int r = 0; r < size_; ++r) {
    posted_[static_cast<size_t>(r)] = meeting_->posted(r);
    if (posted_[static_cast<size_t>(r)].region != mine.region) return;
  }
  direct_ = true;
  direct_memory_ = regions_.at(mine.region).memory.lock();
}

std::byte* MpiFabric::peer(int rank) const {
  const Posted& posted = posted_[static_cast<size_t>(rank)];
  const Region& region = regions_.at(posted.region);
  return region.base + static_cast<size_t>(rank) * region.part + posted.address;
}

// Later segments need no MPI: all ranks of the host know the name.
SharedSegment MpiFabric::share(size_t bytes) {
  const std::string name = fmt::format("{}.{}", segment_name_, ++segments_);
  int error = 0;
  SharedSegment segment;
  if (local_ == 0) {
    segment = SharedSegment::create(name, bytes, error);
    board_->error = error;
  }
  phase();
  if (board_->error == 0 && local_ != 0) {
    segment = SharedSegment::open(name, bytes, error);
    if (error != 0) board_->error = error;
  }
  phase();
  if (local_ == 0) SharedSegment::unlink(name);
  const int worst = board_->error;
  phase();
  check_shared(worst, bytes);
  return segment;
}

Slots MpiFabric::large_slots() {
  const size_t slot = large_slot_bytes(size_);
  if (!large_.data()) large_ = share(Slots::total(slot, size_));
  return {large_.data(), slot, size_};
}

std::shared_ptr<std::byte> MpiFabric::symmetric_memory(size_t bytes) {
  if (size_ == 1) return zeroed_memory(bytes);
  open({Op::symmetric_memory, DType::u8, ReduceOp::sum, -1, static_cast<int64_t>(bytes)}, nullptr,
       0);
  if (spans_hosts()) return zeroed_memory(bytes);
  const size_t part = std::max<size_t>(4096, (bytes + 4095) / 4096 * 4096);
  const SharedSegment segment = share(part * static_cast<size_t>(size_));
  std::erase_if(regions_, [](const auto& entry) { return entry.second.memory.expired(); });
  regions_[segments_] = {segment.memory(), segment.data(), part};
  return {segment.memory(), segment.data() + static_cast<size_t>(local_) * part};
}

void MpiFabric::trade(const BytesOf& outgoing, const BytesOf& incoming) {
  if (!spans_hosts()) return;
  std::vector<Transfer> transfers;
  for (int r = 0; r < size_; ++r) {
    if (hosts_[static_cast<size_t>(r)] == hosts_[static_cast<size_t>(rank_)]) continue;
    if (const auto in = incoming(r); !in.empty())
      transfers.push_back({false, in.data(), in.size(), r});
    if (const auto out = outgoing(r); !out.empty())
      transfers.push_back({true, out.data(), out.size(), r});
  }
  mpi_transfer(comm_->get(), Tag::collective, transfers, name_);
}

// On every other host the member at position (rank mod members) receives for its whole host.
void MpiFabric::spread(std::span<std::byte> mine, const BytesOf& incoming) {
  if (!spans_hosts()) return;
  std::map<int, std::vector<int>> members;
  for (int r = 0; r < size_; ++r) members[hosts_[static_cast<size_t>(r)]].push_back(r);
  const auto receiver = [&](int sender, int host) {
    const auto& there = members[host];
    return there[static_cast<size_t>(sender) % there.size()];
  };
  const int here = hosts_[static_cast<size_t>(rank_)];
  std::vector<Transfer> transfers;
  for (int r = 0; r < size_; ++r) {
    if (hosts_[static_cast<size_t>(r)] == here || receiver(r, here) != rank_) continue;
    if (const auto in = incoming(r); !in.empty())
      transfers.push_back({false, in.data(), in.size(), r});
  }
  if (!mine.empty())
    for (const auto& [host, there] : members)
      if (host != here)
        transfers.push_back({true, mine.data(), mine.size(), receiver(rank_, host)});
  mpi_transfer(comm_->get(), Tag::collective, transfers, name_);
}

std::unique_ptr<Fabric> MpiFabric::split(int color, int key, const std::string& name) {
  if (size_ > 1) open({Op::split, DType::u8, ReduceOp::sum, -1, 0}, nullptr, 0);
  MPI_Comm raw = MPI_COMM_NULL;
  ECH_MPI(MPI_Comm_split(comm_->get(), color < 0 ? MPI_UNDEFINED : color, key, &raw));
  if (raw == MPI_COMM_NULL) return nullptr;
  return make_mpi_fabric(job_, std::make_unique<MpiComm>(raw), name);
}

}  // namespace

std::unique_ptr<Fabric> make_mpi_fabric(std::shared_ptr<MpiJob> job, std::unique_ptr<MpiComm> comm,
                                        const std::string& name) {
  return std::make_unique<MpiFabric>(std::move(job), std::move(comm), name);
}

}  // namespace echelon::comm
