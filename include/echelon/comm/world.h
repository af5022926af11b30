#pragma once
// How ranks come to be: alone, as processes under mpirun/srun, or as threads of one process.
#include <functional>
#include <memory>
#include <vector>

#include "echelon/base/trace.h"
#include "echelon/comm/communicator.h"

namespace echelon::comm {

/// One rank, no peers.
std::unique_ptr<Communicator> make_self(const std::string& name = "world");

/// Runs `body` on `ranks` threads, each with its world communicator of kind thread. When a rank
/// throws, the others' blocked calls throw Error(communication); the first exception is rethrown
/// after all threads ended. A rank that makes no progress in a call for `stuck_seconds` ends the
/// run with an Error(watchdog) that names rank, group and call.
void run_thread_ranks(int ranks, const std::function<void(Communicator& world)>& body,
                      double stuck_seconds = 60);

/// MPI: initialised once for the process with MPI_THREAD_MULTIPLE, finalised when destroyed.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  /// The world of all ranks. Ranks of one host share memory; `host_of_rank` (one number per rank)
  /// says who is to be taken for a host instead of asking the system, for tests of several hosts on
  /// one machine.
  std::unique_ptr<Communicator> world(const std::vector<int>& host_of_rank = {});

 private:
  bool owned_ = false;
};

/// Whether this process was started by mpirun or srun with more than this one task, or with an MPI
/// environment at all (so that MPI_Init connects to it); a plain start needs no MPI.
bool started_by_launcher();
/// Rank and local rank the launcher's environment promises; {0, 0, 1} when started alone.
struct LaunchedRank {
  int rank = 0, local_rank = 0, size = 1;
};
LaunchedRank launched_rank();

/// A world of `size` ranks in which only `rank` exists: collectives leave data as it is, receives
/// give zeros. For planning and for counting traffic without running it.
std::unique_ptr<Communicator> make_fake(int rank, int size, const std::string& name = "world");

/// Decorator: records every call of `inner` and of what is split from it in `sink`.
std::unique_ptr<Communicator> make_logged(std::unique_ptr<Communicator> inner, CommSink& sink,
                                          std::shared_ptr<const std::string> phase);

}  // namespace echelon::comm
