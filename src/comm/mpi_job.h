#pragma once
// What all MPI communicators of one process share, and messages of any length.
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/comm/fabric.h"
#include "src/comm/mpi_check.h"

namespace echelon::comm {

struct MpiJob {
  std::vector<int> host_of;      ///< per world rank: some number of its host
  std::vector<int> pid_of;       ///< per world rank, 0 where it cannot be watched
  std::atomic<int> segments{0};  ///< names of shared memory made by this process
};

/// Sole owner of an MPI communicator; errors on it are returned.
class MpiComm {
 public:
  explicit MpiComm(MPI_Comm comm);
  ~MpiComm();
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_;
};

/// Tags of the two kinds of traffic on one communicator.
enum class Tag : int { message = 1, collective = 2 };

/// Performs the transfers together and waits without hogging the core. Long data goes in pieces of
/// 1 GiB. Throws Error(communication, N4) when a message's size is not the one asked for.
void mpi_transfer(MPI_Comm comm, Tag tag, std::span<const Transfer> transfers,
                  const std::string& group);
/// Completes non-blocking operations, yielding while idle.
void mpi_wait(std::vector<MPI_Request>& requests, std::vector<MPI_Status>* statuses = nullptr);

/// Fabric on `comm`. Collective.
std::unique_ptr<Fabric> make_mpi_fabric(std::shared_ptr<MpiJob> job, std::unique_ptr<MpiComm> comm,
                                        const std::string& name);

}  // namespace echelon::comm
