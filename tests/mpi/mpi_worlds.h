#pragma once
#include <memory>

#include "echelon/comm/world.h"

namespace echelon::test {

/// for_each_world_kind of this program uses the MPI worlds made here for as long as the result
/// lives: all ranks on one host, then (from two ranks on) ranks taken for two hosts in blocks, then
/// alternating between two hosts.
std::shared_ptr<void> use_mpi_worlds(comm::MpiSession& session, int ranks);

}  // namespace echelon::test
