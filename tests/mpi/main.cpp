// Runs the multi-rank test bodies under mpirun: every process runs the same test cases, rank 0
// reports, a failure on any rank fails the program.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <cstdio>

#include "echelon/comm/world.h"
#include "tests/mpi/mpi_worlds.h"

namespace {

/// Failures of ranks that do not report.
struct FailurePrinter : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    if (stats.assertionResult.isOk() || echelon::comm::launched_rank().rank == 0) return true;
    const auto& r = stats.assertionResult;
    std::fprintf(stderr, "rank %d: %s:%zu: %s %s\n", echelon::comm::launched_rank().rank,
                 r.getSourceInfo().file, r.getSourceInfo().line, r.getExpression().c_str(),
                 r.getMessage().c_str());
    return true;
  }
};
CATCH_REGISTER_LISTENER(FailurePrinter)

}  // namespace

int main(int argc, char** argv) {
  echelon::comm::MpiSession mpi(&argc, &argv);
  const auto control = mpi.world();
  const auto worlds = echelon::test::use_mpi_worlds(mpi, control->size());
  Catch::Session session;
  if (const int status = session.applyCommandLine(argc, argv); status != 0) return status;
  if (control->rank() != 0) session.configData().outputFilename = "/dev/null";
  const int failed = session.run();
  const auto total = echelon::comm::all_reduce(*control, std::vector<int64_t>{failed != 0},
                                               echelon::comm::ReduceOp::sum)[0];
  return total == 0 ? 0 : 3;
}
