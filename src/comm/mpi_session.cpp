#include <sys/stat.h>
#include <unistd.h>

#include <exception>

#include "echelon/comm/world.h"
#include "src/comm/mpi_job.h"

namespace echelon::comm {

namespace {

struct Presence {
  int host = 0;  // lowest world rank of the host
  int pid = 0;
  uint64_t space = 0;  // process-id name space
};

/// Which ranks share a host, and which of them can be watched by process id.
std::shared_ptr<MpiJob> meet(MPI_Comm world, const std::vector<int>& host_of_rank) {
  int rank = 0, size = 1;
  ECH_MPI(MPI_Comm_rank(world, &rank));
  ECH_MPI(MPI_Comm_size(world, &size));
  ECH_CHECK(host_of_rank.empty() || host_of_rank.size() == static_cast<size_t>(size),
            "{} hosts named for {} ranks", host_of_rank.size(), size);
  MPI_Comm raw = MPI_COMM_NULL;
  ECH_MPI(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &raw));
  const MpiComm host(raw);
  Presence mine{rank, ::getpid(), 0};
  ECH_MPI(MPI_Bcast(&mine.host, 1, MPI_INT, 0, host.get()));
  struct stat space {};
  if (::stat("/proc/self/ns/pid", &space) == 0) mine.space = space.st_ino;
  std::vector<Presence> all(static_cast<size_t>(size));
  ECH_MPI(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, world));
  auto job = std::make_shared<MpiJob>();
  for (size_t r = 0; r < all.size(); ++r) {
    job->host_of.push_back(host_of_rank.empty() ? all[r].host : host_of_rank[r]);
    const bool watched = all[r].host == mine.host && mine.space != 0 && all[r].space == mine.space;
    job->pid_of.push_back(watched ? all[r].pid : 0);
  }
  return job;
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (!initialized) {
    int provided = 0;
    ECH_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided));
    owned_ = true;
    if (provided < MPI_THREAD_MULTIPLE)
      fail(ExitCode::environment, "E7",
           "MPI: found thread level {}, wanted MPI_THREAD_MULTIPLE ({}); the run ends; use an MPI "
           "library built with it",
           provided, static_cast<int>(MPI_THREAD_MULTIPLE));
  }
  ECH_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  int size = 1;
  ECH_MPI(MPI_Comm_size(MPI_COMM_WORLD, &size));
  if (const int promised = launched_rank().size; size == 1 && promised > 1)
    fail(ExitCode::environment, "E7",
         "MPI: found a world of 1 rank, wanted {} as the launcher promises; the run ends; probably "
         "the wrong --mpi type: srun --mpi=list shows them",
         promised);
}

// Finalize waits for all ranks; one that is unwinding leaves that to the abort that follows.
MpiSession::~MpiSession() {
  if (owned_ && std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world(const std::vector<int>& host_of_rank) {
  MPI_Comm raw = MPI_COMM_NULL;
  ECH_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &raw));
  auto comm = std::make_unique<MpiComm>(raw);
  auto job = meet(comm->get(), host_of_rank);
  return make_group(make_mpi_fabric(std::move(job), std::move(comm), "world"));
}

}  // namespace echelon::comm
