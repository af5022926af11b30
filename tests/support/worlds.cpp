#include "tests/support/worlds.h"

#include <catch2/catch.hpp>

#include "echelon/comm/world.h"

namespace echelon::test {

void for_each_world_kind(const Body& body) {
  const auto self = comm::make_self();
  CHECK_NOTHROW(body(*self));
  for (const int ranks : {1, 2, 3, 4}) {
    INFO(ranks << " thread ranks");
    CHECK_NOTHROW(comm::run_thread_ranks(ranks, body, 30));
  }
}

}  // namespace echelon::test
