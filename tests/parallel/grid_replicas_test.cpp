// Replicas that differ in one bit are found and named.
#include <catch2/catch.hpp>

#include <cstring>

#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"
#include "src/trainer/replicas.h"
#include "tests/parallel/grid_model.h"

using namespace echelon;

namespace {

trainer::RunConfig layout(int64_t tp, int64_t pp, bool rows_split, int64_t stage) {
  auto c = test::model_of_style(0);
  c.parallel = {tp, 1, pp, rows_split};
  c.zero_optimization.stage = stage;
  c.train.replica_check_interval = 1;
  return trainer::shrunk(c, 8);
}

void flip(Tensor weights, int64_t element, int bit) {
  float& value = weights.data<float>()[element];
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits ^= 1u << bit;
  std::memcpy(&value, &bits, sizeof bits);
}

/// Flips one bit of one parameter on one rank; the error that all ranks throw, or "".
std::string check_after_flip(const trainer::RunConfig& config, int rank, size_t parameter,
                             int bit) {
  std::vector<std::string> said(8);
  comm::run_thread_ranks(8, [&](comm::Communicator& world) {
    ops::use_threads(1);
    auto parts = trainer::assemble(config, world, nullptr);
    const auto& all = parts.parameters();
    const nn::Parameter& p = *all[parameter % all.size()];
    if (world.rank() == rank) flip(p.value, p.value.elements() / 2, bit);
    try {
      trainer::check_replicas(parts, 7);
    } catch (const Error& error) {
      if (error.code() != ExitCode::diverged) throw;
      said[static_cast<size_t>(world.rank())] = error.id() + " " + error.what();
    }
  });
  for (const auto& text : said) CHECK(text == said[0]);
  return said[0];
}

}  // namespace

TEST_CASE("training keeps replicas equal bit for bit", "[parallel]") {
  for (const int64_t stage : {0, 1, 2, 3})
    for (const bool rows_split : {false, true}) {
      INFO("stage " << stage << " sp " << rows_split);
      CHECK_NOTHROW(trainer::record(layout(2, 2, rows_split, stage), 8, 2));
    }
}

TEST_CASE("a flipped bit of any weight is found and its rank named", "[parallel]") {
  const auto config = layout(2, 2, true, 0);
  for (int k = 0; k < 24; ++k) {
    const int rank = 5 * k % 8;
    const auto said = check_after_flip(config, rank, static_cast<size_t>(7 * k), 31 - k);
    INFO("rank " << rank << ": " << said);
    CHECK(said.find("M") == 0);
    // Of two replicas none is the odd one: the other may be named.
    CHECK(said.find("step 7") != std::string::npos);
  }
}

TEST_CASE("of more than two replicas the odd one is named", "[parallel]") {
  const auto said = check_after_flip(layout(1, 2, false, 0), 3, 2, 20);
  CHECK(said.find("M7") == 0);
  CHECK(said.find("rank 3 (tp0 cp0 dp3 pp0)") != std::string::npos);
  CHECK(said.find("other 3 of its 4 replicas") != std::string::npos);
}
