#pragma once
// Runs a subcommand on every rank of the job.
#include <functional>

#include "echelon/comm/communicator.h"

namespace echelon::app {

/// Connects to the ranks started with this one (mpirun, srun) or runs alone, calls `body`, and
/// turns an exception of any rank into one line, the same exit code everywhere and no hanging
/// peers.
int run_ranked(const std::function<int(comm::Communicator& world)>& body);

}  // namespace echelon::app
