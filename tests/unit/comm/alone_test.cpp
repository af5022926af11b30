// Kinds self and fake, and what the launcher's environment says.
#include <catch2/catch.hpp>

#include <cstdlib>

#include "echelon/comm/world.h"
#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::comm;
using test::make;
using test::Memory;

TEST_CASE("a fake rank keeps its own parts and receives zeros", "[comm]") {
  const auto fake = make_fake(2, 4, "dp");
  const auto stream = make_inline_stream();
  CHECK(fake->rank() == 2);
  CHECK(fake->size() == 4);
  const Tensor whole = make<float>(*fake, 8, Memory::ordinary);
  const Tensor part = make<float>(*fake, 2, Memory::ordinary);
  test::fill_with<float>(whole, [](int64_t i) { return i; });
  fake->all_reduce(whole, ReduceOp::sum, *stream).wait();
  fake->broadcast(whole, 0, *stream).wait();
  fake->reduce_scatter(whole, part, ReduceOp::sum, *stream).wait();
  CHECK(part.data<float>()[0] == 4);
  CHECK(part.data<float>()[1] == 5);
  const Tensor other = make<float>(*fake, 8, Memory::ordinary);
  fake->all_to_all(whole, other, *stream).wait();
  CHECK(std::vector<float>(other.data<float>(), other.data<float>() + 8) ==
        std::vector<float>{0, 0, 0, 0, 4, 5, 0, 0});
  test::fill_with<float>(whole, [](int64_t) { return 7; });
  fake->all_gather(part, whole, *stream).wait();
  CHECK(std::vector<float>(whole.data<float>(), whole.data<float>() + 8) ==
        std::vector<float>{7, 7, 7, 7, 4, 5, 7, 7});
  fake->recv(part, 1, *stream).wait();
  CHECK(part.data<float>()[0] == 0);
  CHECK(part.data<float>()[1] == 0);
}

TEST_CASE("wrong arguments are refused before anything is sent", "[comm]") {
  run_thread_ranks(2, [](Communicator& w) {
    const auto stream = make_inline_stream();
    const Tensor three = make<float>(w, 3, Memory::ordinary),
                 two = make<float>(w, 2, Memory::ordinary);
    const Tensor bytes = make<uint8_t>(w, 1, Memory::ordinary);
    const auto refused = [](const std::function<void()>& call) {
      try {
        call();
      } catch (const Error& e) {
        return e.code() == ExitCode::internal;
      }
      return false;
    };
    test::expect(refused([&] { w.reduce_scatter(three, two, ReduceOp::sum, *stream).wait(); }),
                 "parts");
    test::expect(refused([&] { w.all_gather(bytes, two, *stream).wait(); }), "types");
    test::expect(refused([&] { w.all_to_all(three, three, *stream).wait(); }), "divisible");
    test::expect(refused([&] { w.broadcast(two, 2, *stream).wait(); }), "root");
    test::expect(refused([&] { w.send(two, w.rank(), *stream).wait(); }), "to itself");
    test::expect(refused([&] { w.group_end(*stream); }), "group_end alone");
    w.barrier();
  });
  const auto self = make_self();
  CHECK(self->split(-1, 0, "tp") == nullptr);
  CHECK(self->split(3, 0, "tp")->name() == "tp");
}

namespace {

/// Sets launcher variables for its lifetime, all others being absent.
class Environment {
 public:
  explicit Environment(std::vector<std::pair<const char*, const char*>> set) {
    for (const char* name : kNames) {
      const char* old = std::getenv(name);
      saved_.emplace_back(name, old ? old : "");
      ::unsetenv(name);
    }
    for (const auto& [name, value] : set) ::setenv(name, value, 1);
  }
  ~Environment() {
    for (const auto& [name, value] : saved_)
      value.empty() ? ::unsetenv(name) : ::setenv(name, value.c_str(), 1);
  }

 private:
  static constexpr const char* kNames[] = {
      "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
      "SLURM_PROCID",         "SLURM_LOCALID",        "SLURM_STEP_ID",
      "SLURM_NTASKS",         "SLURM_STEP_NUM_TASKS", "PMIX_RANK"};
  std::vector<std::pair<const char*, std::string>> saved_;
};

}  // namespace

TEST_CASE("the launcher's environment tells rank, local rank and size", "[comm]") {
  const auto is = [](int rank, int local, int size) {
    const LaunchedRank r = launched_rank();
    return started_by_launcher() && r.rank == rank && r.local_rank == local && r.size == size;
  };
  {
    const Environment none({});
    CHECK_FALSE(started_by_launcher());
    CHECK(launched_rank().size == 1);
  }
  {  // mpirun inside a batch job: every rank inherits the batch shell's rank 0
    const Environment both({{"OMPI_COMM_WORLD_RANK", "5"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "8"},
                            {"SLURM_PROCID", "0"},
                            {"SLURM_STEP_ID", "0"},
                            {"SLURM_NTASKS", "1"}});
    CHECK(is(5, 1, 8));
  }
  {
    const Environment srun({{"SLURM_PROCID", "3"},
                            {"SLURM_LOCALID", "1"},
                            {"SLURM_STEP_ID", "0"},
                            {"SLURM_NTASKS", "4"},
                            {"PMIX_RANK", "3"}});
    CHECK(is(3, 1, 4));
  }
  {  // the batch shell itself: no job step
    const Environment batch({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "batch"}});
    CHECK_FALSE(started_by_launcher());
  }
}
