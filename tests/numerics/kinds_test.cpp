// Thread ranks and MPI processes add in the same order: the same bits. Also runs under mpirun.
#include <catch2/catch.hpp>

#include "echelon/comm/world.h"
#include "tests/numerics/layouts.h"
#include "tests/support/worlds.h"

using namespace echelon;
using namespace echelon::test;

namespace {

/// Compares the parts of weights and moments that this rank holds.
void expect_same_bits(const Curve& here, const Curve& threads) {
  expect(here.losses.size() == 4 && here.losses == threads.losses, "losses");
  expect(here.norms == threads.norms, "gradient norms");
  size_t compared = 0;
  for (const auto& [name, values] : here.weights)
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != values[i]) continue;  // on another rank
      expect(values[i] == threads.weights.at(name)[i], name);
      ++compared;
    }
  expect(compared > 1000, "weights were compared");
}

}  // namespace

TEST_CASE("thread ranks and processes train to the same bits", "[numerics]") {
  for_each_world_kind([](comm::Communicator& world) {
    const int n = world.size();
    std::vector<Layout> layouts = {{.ranks = n, .micro = 1}, {.ranks = n, .zero = 2, .micro = 1}};
    if (n % 2 == 0) {
      layouts.push_back({.ranks = n, .tp = 2, .zero = 1, .micro = 1});
      layouts.push_back({.ranks = n, .pp = 2, .micro = 1});
    }
    for (const Layout& layout : layouts) {
      auto config = layout.applied(tiny_gpt2());
      config.train.global_batch_size = 12;
      config.model.hidden_dropout = 0.1;
      const auto rows = text_rows(config);
      const Curve here = trained_on(world, config, 4, rows);
      expect_same_bits(here, trained(config, n, 4, rows));
    }
  });
}
