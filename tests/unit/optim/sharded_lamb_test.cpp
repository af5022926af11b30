// Norms of tensors that are spread over ranks.
#include <catch2/catch.hpp>

#include <cmath>

#include "echelon/optim/config.h"
#include "echelon/optim/norm.h"
#include "tests/support/golden.h"

using namespace echelon;
using nlohmann::json;

namespace {

/// Columns [3r, 3r+3) of a 4 x 6 matrix.
Tensor half(const json& whole, int r, Allocator& memory) {
  const auto data = test::golden_tensor(whole).data;
  std::vector<float> part;
  for (size_t row = 0; row < 4; ++row)
    for (size_t c = 0; c < 3; ++c)
      part.push_back(static_cast<float>(data[row * 6 + static_cast<size_t>(r) * 3 + c]));
  return test::to_tensor(part, {12}, memory);
}

}  // namespace

TEST_CASE("LAMB with norms summed over two shards updates as on the whole tensor", "[optim]") {
  const json golden = test::golden_case("optimizers", "lamb_sharded");
  const json& want = golden["expected"];
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  optim::OptimizerConfig config;
  config.type = "lamb";
  for (int r = 0; r < 2; ++r) {
    optim::Slice s{.name = "w",
                   .master = half(golden["inputs"]["p"], r, *memory),
                   .grad = half(golden["inputs"]["g"], r, *memory),
                   .to = 12};
    double local = 0;
    const auto optimizer = optim::make_optimizer(config);
    optimizer->attach({s}, *memory, {1, [&](std::span<double> sums) {
                                       REQUIRE(sums.size() == 2);
                                       local = std::sqrt(sums[0] / sums[1]);
                                       sums[0] = want["sum_p2"];  // what both ranks together have
                                       sums[1] = want["sum_u2"];
                                     }});
    optimizer->step(golden["config"]["lr"], 1.0, 1, *stream);
    CHECK(local == Approx(want["wrong_ratio_per_shard"][static_cast<size_t>(r)].get<double>()));
    optimizer->report([&](const std::string&, double value) {
      CHECK(value == Approx(want["ratio"].get<double>()));
    });
    const auto ours = test::values_of(s.master);
    const auto theirs = test::values_of(half(want["p1"], r, *memory));
    for (size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == Approx(theirs[i]).margin(2e-6));
  }
}

TEST_CASE("A tensor cut into pieces has one LAMB ratio, a replica is not counted", "[optim]") {
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  const auto weights = test::fill(100, 1), gradients = test::fill(100, 2);
  std::vector<float> after[2];
  for (const bool cut : {false, true}) {
    const Tensor master = test::to_tensor(weights, {100}, *memory);
    const Tensor grad = test::to_tensor(gradients, {100}, *memory);
    const auto piece = [&](int64_t from, int64_t to) {
      return optim::Slice{.name = "w",
                          .master = master.flat(from, to),
                          .grad = grad.flat(from, to),
                          .from = from,
                          .to = to};
    };
    std::vector<optim::Slice> slices{piece(0, 100)};
    if (cut) {
      slices = {piece(0, 37), piece(37, 100)};
      optim::Slice replica = slices[0];  // of another rank's piece: same ratio, no contribution
      replica.master = clone(replica.master, *memory, MemoryCategory::weights);
      replica.grad = clone(replica.grad, *memory, MemoryCategory::gradients);
      replica.counted = replica.counted_in_tensor = false;
      slices.push_back(replica);
    }
    optim::OptimizerConfig config;
    config.type = "lamb";
    const auto optimizer = optim::make_optimizer(config);
    optimizer->attach(slices, *memory, {1, {}});
    optimizer->step(0.1, 1.0, 1, *stream);
    after[cut] = test::values_of(master);
    if (cut) {
      const auto copy_of_piece = test::values_of(slices[2].master);
      CHECK(std::equal(copy_of_piece.begin(), copy_of_piece.end(), after[1].begin()));
    }
  }
  for (size_t i = 0; i < 100; ++i) CHECK(after[0][i] == Approx(after[1][i]).epsilon(1e-6));
}

TEST_CASE("The global norm counts a replicated tensor once and clips with 1e-6", "[optim]") {
  const json golden = test::golden_case("optimizers", "global_norm_tp2");
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  const auto slice = [&](const char* name, bool counted) {
    const Tensor g = test::to_tensor(test::golden_tensor(golden["inputs"][name]), *memory).flat();
    return optim::Slice{.name = name, .master = g, .grad = g, .counted = counted};
  };
  const std::vector<optim::Slice> ranks[2] = {{slice("shard0", true), slice("replicated", true)},
                                              {slice("shard1", true), slice("replicated", false)}};
  const double other = optim::squared_gradient_norm(ranks[1], *stream);
  const double norm = optim::gradient_norm(
      ranks[0], [&](std::span<double> s) { s[0] += other; }, *stream);
  const json& want = golden["expected"];
  CHECK(norm == Approx(want["norm"].get<double>()).epsilon(1e-7));
  CHECK(optim::clip_coefficient(norm, golden["config"]["max_norm"]) ==
        Approx(want["coefficient"].get<double>()).epsilon(1e-7));
  CHECK(optim::clip_coefficient(norm, 0) == 1.0);
  CHECK(optim::clip_coefficient(0.5, 1) == 1.0);
}

TEST_CASE("The gradient norm is not finite exactly when a gradient is not", "[optim]") {
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  optim::Slice s{.name = "w",
                 .master = Tensor::zeros({5}, DType::f32, *memory),
                 .grad = test::to_tensor({3e38f, -3e38f, 3e38f, 1, 0}, {5}, *memory)};
  CHECK(std::isfinite(optim::gradient_norm({&s, 1}, {}, *stream)));
  CHECK(optim::gradients_finite({&s, 1}, *stream));
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    s.grad.data<float>()[4] = bad;
    CHECK_FALSE(std::isfinite(optim::gradient_norm({&s, 1}, {}, *stream)));
    CHECK_FALSE(optim::gradients_finite({&s, 1}, *stream));
  }
}
