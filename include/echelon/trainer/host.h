#pragma once
#include "echelon/comm/communicator.h"
#include "echelon/trainer/assemble.h"

namespace echelon::trainer {

/// Sets this rank's compute threads: train.threads_per_rank, else OMP_NUM_THREADS, else the usable
/// cores shared evenly by the ranks of this host. Collective. Returns the number.
int settle_threads(const RunConfig& config, comm::Communicator& world);

/// Most bytes that tensors of this rank held at one time: what the allocator handed out, and
/// buffers shared between ranks, which it does not count.
int64_t most_tensor_bytes(const Assembly& parts);

}  // namespace echelon::trainer
