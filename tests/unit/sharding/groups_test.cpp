// Gradients that also meet over the tensor-parallel and the embedding group, on 2 x 2 thread ranks.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "echelon/ops/elementwise.h"
#include "echelon/ops/threads.h"
#include "echelon/optim/norm.h"
#include "tests/support/golden.h"
#include "tests/unit/sharding/training.h"

using namespace echelon;

namespace {

/// The four ranks as `inner` (tp or stage, fastest) and dp.
struct Square {
  explicit Square(comm::Communicator& world)
      : inner(world.rank() % 2),
        dp(world.rank() / 2),
        across(world.split(dp, inner, "inner")),
        grad(world.split(inner, dp, "dp")),
        all(world.split(0, world.rank(), "world")) {}
  int inner, dp;
  std::unique_ptr<comm::Communicator> across, grad, all;
};

struct Case {
  int64_t stage;
  bool overlap;
};
std::vector<Case> cases() {
  return {{0, true}, {0, false}, {1, true}, {1, false}, {2, true}, {3, true}};
}

/// One update's gradients, then finish.
void one_update(sharding::ParamStore& store, const std::function<int(const nn::Parameter&)>& unit) {
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  store.zero_grads(*stream);
  const auto& parameters = store.parameters();
  for (size_t i = parameters.size(); i-- > 0;) {
    nn::Parameter& p = *parameters[i];
    store.prepare(p);
    const auto g =
        test::toy_gradient(static_cast<size_t>(p.shard.number), p.shape.elements(), 1, unit(p));
    ops::axpy(1.0f, test::to_tensor(g, p.shape, *memory), p.grad, *stream);
    store.ready(p);
  }
  store.finish(*stream);
}

/// Sum of the gradients of `units` for parameter `number`, in float64.
std::vector<double> summed(const nn::Parameter& p, const std::vector<int>& units) {
  std::vector<double> sum(static_cast<size_t>(p.shape.elements()), 0);
  for (const int unit : units) {
    const auto g =
        test::toy_gradient(static_cast<size_t>(p.shard.number), p.shape.elements(), 1, unit);
    for (size_t i = 0; i < g.size(); ++i) sum[i] += static_cast<double>(g[i]);
  }
  return sum;
}

bool agrees(const optim::Slice& slice, const std::vector<double>& whole) {
  const std::vector<double> want(whole.begin() + slice.from, whole.begin() + slice.to);
  return test::worst_error(test::values_of(slice.grad), want, 1e-5, 1e-7) <= 1.0;
}

std::unique_ptr<sharding::ParamStore> make_store(const Case& c, const sharding::SyncGroups& groups,
                                                 Allocator& memory) {
  sharding::StoreOptions options;
  options.sharding = {c.stage, c.overlap, 300};
  return sharding::make_param_store(options, groups, memory);
}

/// Numbers every rank leaves for the checks, which Catch wants on one thread.
struct PerRank {
  bool right[4] = {};
  double norm[4] = {};
  int64_t tp_elements[4] = {};
};

}  // namespace

TEST_CASE("Under sequence parallelism partial gradients are summed over tp, others are not",
          "[sharding]") {
  for (const Case& c : cases()) {
    PerRank seen;
    comm::run_thread_ranks(4, [&](comm::Communicator& world) {
      ops::use_threads(1);
      const auto me = static_cast<size_t>(world.rank());
      test::CallCounter calls;
      Square square(world);
      const auto tp = comm::make_logged(square.across->split(0, square.inner, "tp"), calls,
                                        std::make_shared<const std::string>("train"));
      sharding::SyncGroups groups;
      groups.grad = square.grad.get();
      groups.tp = groups.model = tp.get();
      groups.world = square.all.get();
      groups.sequence_parallel = true;
      const auto memory = make_cpu_allocator();
      test::ToyModel model = test::toy_model();
      const auto store = make_store(c, groups, *memory);
      if (store->units()) store->units()->add_unit(model.list());
      store->adopt(model.list());
      // replicated and complete: the same on both tp ranks; everything else differs
      one_update(*store, [&](const nn::Parameter& p) {
        const bool same = p.shard.tp == parallel::TpSplit::replicated && !p.shard.partial_under_sp;
        return 2 * square.dp + (same ? 0 : square.inner);
      });
      seen.tp_elements[me] = calls.elements("all_reduce tp");
      bool right = calls.calls("all_reduce tp") == 1;
      const auto slices = store->slices();
      for (const optim::Slice& s : slices) {
        const nn::Parameter& p = *store->parameters()[static_cast<size_t>(s.tensor)];
        const bool split = p.shard.tp != parallel::TpSplit::replicated;
        const std::vector<int> units = p.shard.partial_under_sp ? std::vector<int>{0, 1, 2, 3}
                                       : split ? std::vector<int>{square.inner, 2 + square.inner}
                                               : std::vector<int>{0, 2};
        right = right && agrees(s, summed(p, units));
        right = right && s.counted == (split || square.inner == 0);
        right = right && s.counted_in_tensor == s.counted;
      }
      seen.right[me] = right;
      const auto stream = make_inline_stream();
      seen.norm[me] = optim::gradient_norm(slices, store->norm_sum(), *stream);
    });
    double squares = 0;
    test::ToyModel model = test::toy_model();
    for (const nn::Parameter& p : model.parameters) {
      std::vector<std::vector<int>> counted;
      if (p.shard.partial_under_sp)
        counted = {{0, 1, 2, 3}};
      else if (p.shard.tp == parallel::TpSplit::replicated)
        counted = {{0, 2}};
      else
        counted = {{0, 2}, {1, 3}};
      for (const auto& units : counted)
        for (const double g : summed(p, units)) squares += g * g;
    }
    for (size_t r = 0; r < 4; ++r) {
      INFO("stage " << c.stage << " overlap " << c.overlap << " rank " << r);
      CHECK(seen.right[r]);
      CHECK(seen.norm[r] == Approx(std::sqrt(squares)).epsilon(1e-6));
      CHECK(seen.tp_elements[r] == 3 * 7);  // one message of all partial gradients
    }
  }
}

TEST_CASE("A tied matrix ends with the same gradient on both stages and counts once",
          "[sharding]") {
  for (const Case& c : cases()) {
    PerRank seen;
    comm::run_thread_ranks(4, [&](comm::Communicator& world) {
      ops::use_threads(1);
      const auto me = static_cast<size_t>(world.rank());
      Square square(world);
      sharding::SyncGroups groups;
      groups.grad = square.grad.get();
      groups.embedding = groups.model = square.across.get();
      groups.world = square.all.get();
      groups.tied_parameter = "tok.weight";
      const auto memory = make_cpu_allocator();
      test::ToyModel model = test::toy_model();
      std::vector<nn::Parameter*> list = model.list();
      if (square.inner == 1) {  // the last stage registers its copy last
        std::rotate(list.begin(), list.begin() + 1, list.end());
        list.back()->shard.tied_copy = true;
        list.back()->name = "lm_head.weight";
      }
      const auto store = make_store(c, groups, *memory);
      if (store->units()) store->units()->add_unit(list);
      store->adopt(list);
      one_update(*store, [&](const nn::Parameter&) { return 2 * square.dp + square.inner; });
      bool right = true;
      for (const optim::Slice& s : store->slices()) {
        const nn::Parameter& p = *store->parameters()[static_cast<size_t>(s.tensor)];
        const bool tied = p.shard.number == 0;
        const std::vector<int> units =
            tied ? std::vector<int>{0, 1, 2, 3} : std::vector<int>{square.inner, 2 + square.inner};
        right = right && agrees(s, summed(p, units));
        right = right && s.counted == !(tied && square.inner == 1) && s.counted_in_tensor;
      }
      seen.right[me] = right;
      const auto stream = make_inline_stream();
      seen.norm[me] = optim::gradient_norm(store->slices(), store->norm_sum(), *stream);
    });
    double squares = 0;
    test::ToyModel model = test::toy_model();
    for (const nn::Parameter& p : model.parameters) {
      if (p.shard.number == 0)
        for (const double g : summed(p, {0, 1, 2, 3})) squares += g * g;
      else
        for (const auto& units : {std::vector<int>{0, 2}, std::vector<int>{1, 3}})
          for (const double g : summed(p, units)) squares += g * g;
    }
    for (size_t r = 0; r < 4; ++r) {
      INFO("stage " << c.stage << " overlap " << c.overlap << " rank " << r);
      CHECK(seen.right[r]);
      CHECK(seen.norm[r] == Approx(std::sqrt(squares)).epsilon(1e-6));
    }
  }
}
