#include <catch2/catch.hpp>

#include <set>

#include "echelon/comm/world.h"
#include "echelon/parallel/mesh.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::parallel;
using comm::Communicator;
using comm::ReduceOp;
using test::expect;

namespace {

/// Every way of writing `world` as tp * cp * dp * pp.
std::vector<Degrees> all_degrees(int world) {
  std::vector<Degrees> found;
  for (int tp = 1; tp <= world; ++tp)
    for (int cp = 1; tp * cp <= world; ++cp)
      for (int dp = 1; tp * cp * dp <= world; ++dp)
        if (world % (tp * cp * dp) == 0) found.push_back({tp, cp, dp, world / (tp * cp * dp)});
  return found;
}

/// Sum over the group of 2^(world rank): which ranks are in it.
int64_t members(Communicator& group, int world_rank) {
  return comm::all_reduce(group, std::vector<int64_t>{int64_t{1} << world_rank}, ReduceOp::sum)[0];
}

/// The ranks whose coordinates equal `here` except along the named axes.
template <class Same>
int64_t wanted(const Degrees& d, Same same) {
  int64_t ranks = 0;
  for (int r = 0; r < d.world(); ++r)
    if (same(coords_of(r, d))) ranks |= int64_t{1} << r;
  return ranks;
}

void check_groups(const Mesh& mesh, int rank) {
  const Degrees& d = mesh.degrees();
  const Coords h = mesh.here();
  const auto is = [&](Communicator& group, int position, bool tp, bool cp, bool dp, bool pp) {
    const int64_t ranks = wanted(d, [&](const Coords& c) {
      return (tp || c.tp == h.tp) && (cp || c.cp == h.cp) && (dp || c.dp == h.dp) &&
             (pp || c.pp == h.pp);
    });
    expect(members(group, rank) == ranks, "members of " + group.name());
    expect(group.rank() == position, "position in " + group.name());
  };
  is(mesh.on(Axis::tp), h.tp, true, false, false, false);
  is(mesh.on(Axis::cp), h.cp, false, true, false, false);
  is(mesh.on(Axis::dp), h.dp, false, false, true, false);
  is(mesh.on(Axis::pp), h.pp, false, false, false, true);
  is(mesh.grad(), h.cp + d.cp * h.dp, false, true, true, false);
  is(mesh.model(), h.tp + d.tp * h.pp, true, false, false, true);
  const bool end = d.pp > 1 && (h.pp == 0 || h.pp == d.pp - 1);
  expect((mesh.embedding() != nullptr) == end, "embedding group at the ends of the pipeline");
  if (!end) return;
  expect(mesh.embedding()->rank() == (h.pp == 0 ? 0 : 1), "first stage leads");
  expect(members(*mesh.embedding(), rank) == wanted(d,
                                                    [&](const Coords& c) {
                                                      return c.tp == h.tp && c.cp == h.cp &&
                                                             c.dp == h.dp &&
                                                             (c.pp == 0 || c.pp == d.pp - 1);
                                                    }),
         "embedding members");
}

}  // namespace

TEST_CASE("rank and coordinates are inverse, tensor fastest", "[parallel]") {
  for (const int world : {1, 2, 6, 8, 24})
    for (const Degrees& d : all_degrees(world)) {
      std::set<std::string> seen;
      for (int r = 0; r < world; ++r) {
        const Coords c = coords_of(r, d);
        CHECK(rank_of(c, d) == r);
        CHECK(c.tp < d.tp);
        CHECK(c.cp < d.cp);
        CHECK(c.dp < d.dp);
        CHECK(c.pp < d.pp);
        seen.insert(to_string(c));
      }
      CHECK(seen.size() == static_cast<size_t>(world));
    }
  CHECK(to_string(coords_of(13, {2, 1, 3, 4})) == "tp1 cp0 dp0 pp2");
}

TEST_CASE("every mesh of 1 to 8 ranks has the right groups in the right order",
          "[parallel][threads]") {
  for (int world = 1; world <= 8; ++world)
    CHECK_NOTHROW(comm::run_thread_ranks(world, [&](Communicator& w) {
      for (const Degrees& d : all_degrees(world)) check_groups(Mesh(d, w), w.rank());
    }));
}

TEST_CASE("groups of several axes and of processes agree with the coordinates", "[parallel]") {
  test::for_each_world_kind([](Communicator& w) {
    for (const Degrees& d : all_degrees(w.size())) check_groups(Mesh(d, w), w.rank());
  });
}

TEST_CASE("the data-parallel size is what is left", "[parallel]") {
  for (int world = 1; world <= 16; ++world)
    for (int tp = 1; tp <= 8; ++tp)
      for (int pp = 1; pp <= 8; ++pp) {
        const ParallelConfig config{tp, 1, pp, false};
        if (world % (tp * pp) == 0) {
          const Degrees d = degrees_of(config, world);
          CHECK(d.world() == world);
          CHECK(d.dp == world / (tp * pp));
        } else {
          CHECK_THROWS_AS(degrees_of(config, world), Error);
        }
      }
}

TEST_CASE("V01 prints the equation and the nearest choices", "[parallel]") {
  const auto message = [](const ParallelConfig& config, int world) {
    try {
      degrees_of(config, world);
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::config);
      CHECK(e.id() == "V01");
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message({3, 1, 2, false}, 8) ==
        "parallel: found tensor 3 x context 1 x pipeline 2 = 6, which does not divide 8 ranks, "
        "wanted "
        "tensor x context x pipeline x data = 8; nothing was started; start 6 or 12 ranks, or set "
        "tensor_model_parallel_size to 2 or 4");
  CHECK(
      message({4, 1, 4, false}, 8) ==
      "parallel: found tensor 4 x context 1 x pipeline 4 = 16, which does not divide 8 ranks, "
      "wanted tensor x context x pipeline x data = 8; nothing was started; start 16 ranks, or set "
      "tensor_model_parallel_size to 2, or set pipeline_model_parallel_size to 2");
  CHECK(message({2, 1, 1, false}, 1) ==
        "parallel: found tensor 2 x context 1 x pipeline 1 = 2, which does not divide 1 ranks, "
        "wanted "
        "tensor x context x pipeline x data = 1; nothing was started; start 2 ranks, or set "
        "tensor_model_parallel_size to 1");
}
