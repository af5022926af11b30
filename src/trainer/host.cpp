#include "echelon/trainer/host.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>

#include "echelon/ops/threads.h"

namespace echelon::trainer {

namespace {

/// Ranks of the world on this host, by host name.
int ranks_here(comm::Communicator& world) {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  const auto mine = static_cast<int64_t>(std::hash<std::string>{}(name) >> 1);
  std::vector<int64_t> hosts(static_cast<size_t>(world.size()), 0);
  hosts[static_cast<size_t>(world.rank())] = mine;
  hosts = comm::all_reduce(world, hosts, comm::ReduceOp::sum);
  return static_cast<int>(std::count(hosts.begin(), hosts.end(), mine));
}

}  // namespace

int settle_threads(const RunConfig& config, comm::Communicator& world) {
  int threads = static_cast<int>(config.train.threads_per_rank);
  const int here = ranks_here(world);
  if (const char* wanted = std::getenv("OMP_NUM_THREADS"); threads == 0 && wanted)
    threads = std::atoi(wanted);
  if (threads < 1) threads = std::max(1, usable_cores() / here);
  ops::use_threads(threads);
  return threads;
}

/// What the allocator handed out at most, and buffers shared between ranks, which it does not
/// count.
int64_t most_tensor_bytes(const Assembly& parts) {
  const auto use = parts.memory->use();
  const auto held = parts.store->bytes();
  const auto counted = use.now[static_cast<size_t>(MemoryCategory::weights)] +
                       use.now[static_cast<size_t>(MemoryCategory::gradients)];
  const int64_t shared =
      held.weights + held.gradients + held.staging - static_cast<int64_t>(counted);
  return static_cast<int64_t>(use.total_peak) + std::max<int64_t>(0, shared);
}

}  // namespace echelon::trainer
