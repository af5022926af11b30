#pragma once
// Test bodies that run on several ranks, written once for every kind of world.
//
//   TEST_CASE("sums meet", "[comm]") {
//     test::for_each_world_kind([](comm::Communicator& world) {
//       test::expect(comm::all_reduce(world, std::vector<int64_t>{1}, sum)[0] == world.size(),
//       "sum");
//     });
//   }
//
// In an ordinary test program the body runs alone (kind self) and on 1 to 4 thread ranks. A source
// that is also listed in tests/mpi/mpi_tests.cmake runs there under mpirun, on the world of all its
// processes, once as one host and once as two. Bodies do not use Catch2's macros: several threads
// run them. They throw (test::expect) instead; a rank that throws ends the test on all ranks.
#include <functional>
#include <source_location>
#include <string>

#include "echelon/comm/communicator.h"

namespace echelon::test {

using Body = std::function<void(comm::Communicator& world)>;
void for_each_world_kind(const Body& body);

/// Throws with file and line when `condition` does not hold.
void expect(bool condition, const std::string& claim,
            std::source_location where = std::source_location::current());

}  // namespace echelon::test
