#pragma once
#include "echelon/comm/communicator.h"
#include "echelon/trainer/run_config.h"

namespace echelon::trainer {

/// Sets this rank's compute threads: train.threads_per_rank, else OMP_NUM_THREADS, else the usable
/// cores shared evenly by the ranks of this host. Collective. Returns the number.
int settle_threads(const RunConfig& config, comm::Communicator& world);

}  // namespace echelon::trainer
