// Replaces tests/support/worlds.cpp, which the linker then leaves in its library.
#include "tests/mpi/mpi_worlds.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <vector>

#include "tests/support/worlds.h"

namespace echelon::test {

namespace {

std::vector<std::unique_ptr<comm::Communicator>>& worlds() {
  static std::vector<std::unique_ptr<comm::Communicator>> made;
  return made;
}

}  // namespace

std::shared_ptr<void> use_mpi_worlds(comm::MpiSession& session, int ranks) {
  worlds().push_back(session.world());
  std::vector<int> blocks, alternating;
  for (int r = 0; r < ranks; ++r) {
    blocks.push_back(r < (ranks + 1) / 2 ? 0 : 1);
    alternating.push_back(r % 2);
  }
  if (ranks > 1) worlds().push_back(session.world(blocks));
  if (ranks > 2) worlds().push_back(session.world(alternating));
  return {nullptr, [](void*) { worlds().clear(); }};
}

void for_each_world_kind(const Body& body) {
  for (const auto& world : worlds()) {
    try {
      body(*world);
      SUCCEED(world->size() << " processes");
    } catch (const std::exception& e) {
      std::fprintf(stderr, "rank %d of %d: %s\n", world->rank(), world->size(), e.what());
      world->abort(ExitCode::internal);
    }
  }
}

}  // namespace echelon::test
