// What a store holds and sends, counted.
#include <catch2/catch.hpp>

#include "echelon/base/error.h"
#include "tests/unit/sharding/training.h"

using namespace echelon;
using test::Trained;

TEST_CASE("A bucket is reduced once an update, in stage 2 once a micro-batch", "[sharding]") {
  const auto run = [](int64_t stage, bool overlap) {
    return test::train({.ranks = 2, .stage = stage, .overlap = overlap, .units = 6});
  };
  for (const bool overlap : {false, true}) {
    const Trained zero = run(0, overlap), one = run(1, overlap), two = run(2, overlap);
    REQUIRE(zero.buckets > 2);
    CHECK(zero.all_reduces == 3 * static_cast<int64_t>(zero.buckets));
    CHECK(zero.reduce_scatters == 0);
    CHECK(zero.all_gathers == 0);
    CHECK(one.all_reduces == 0);
    CHECK(one.reduce_scatters == 3 * static_cast<int64_t>(one.buckets));
    CHECK(one.all_gathers == 3 * static_cast<int64_t>(one.buckets));
    CHECK(one.gathered_elements == 3 * one.padded);
    CHECK(two.reduce_scatters == 3 * 3 * static_cast<int64_t>(two.buckets));
    CHECK(two.all_gathers == 3 * static_cast<int64_t>(two.buckets));
  }
}

TEST_CASE("One rank sends nothing", "[sharding]") {
  for (const int64_t stage : {0, 1, 2, 3}) {
    const Trained run = test::train({.stage = stage});
    CHECK(run.all_reduces + run.reduce_scatters + run.all_gathers == 0);
  }
}

TEST_CASE("Bytes by category follow the memory table of the stages", "[sharding]") {
  for (const DType weights : {DType::f32, DType::bf16})
    for (const int ranks : {1, 2, 4})
      for (const int64_t stage : {0, 1, 2, 3}) {
        const Trained run = test::train({.ranks = ranks, .stage = stage, .weights = weights});
        const int64_t n = run.padded, d = ranks;
        const int64_t wide = weights == DType::f32 ? 4 : 2;
        size_t optimizer = 0;
        for (size_t r = 0; r < run.bytes.size(); ++r) {
          const sharding::StoreBytes& b = run.bytes[r];
          CHECK(b.weights == wide * (stage == 3 ? n / d : n));
          CHECK(b.gradients == 4 * (stage >= 2 ? n / d : n));
          CHECK(b.master == (wide == 4 ? 0 : 4 * (stage >= 1 ? n / d : n)));
          if (stage < 2) CHECK(b.staging == 0);
          if (stage >= 2) {  // two of the largest bucket
            CHECK(b.staging > 0);
            CHECK(b.staging < 4 * n);
          }
          optimizer += run.optimizer_bytes[r];
        }
        // AdamW: 8 bytes an element, once in the group from stage 1 on (allocator rounds to 64)
        const int64_t elements = 37 * 7 + 2 * (7 + 29 * 7 + 29 + 29 * 7 + 7) + 7;
        const int64_t copies = stage == 0 ? d : 1;
        const auto state = static_cast<int64_t>(optimizer) - (wide == 4 ? 0 : 4 * copies * n);
        CHECK(state >= 8 * copies * elements);
        const auto buffers = static_cast<int64_t>(run.buckets) + 2;
        CHECK(state <= 8 * copies * elements + 64 * d * buffers);
      }
}

TEST_CASE("An unknown stage and wrong use are refused", "[sharding]") {
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  sharding::StoreOptions options;
  options.sharding.stage = 4;
  try {
    sharding::make_param_store(options, {}, *memory);
    FAIL("stage 4 accepted");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::config);
    CHECK_THAT(e.what(), Catch::Contains("zero_optimization.stage: found 4"));
  }
  options.sharding.stage = 0;
  const auto store = sharding::make_param_store(options, {}, *memory);
  test::ToyModel model = test::toy_model();
  store->adopt(model.list());
  CHECK_THROWS_WITH(store->adopt(model.list()), Catch::Contains("twice"));
  store->ready(model.parameters[1]);
  CHECK_THROWS_WITH(store->ready(model.parameters[1]),
                    Catch::Contains("h.0.norm.weight: gradient ready twice"));
  nn::Parameter stranger;
  stranger.name = "stranger";
  CHECK_THROWS_WITH(store->ready(stranger), Catch::Contains("stranger: not adopted"));
  store->finish(*stream);
  CHECK_NOTHROW(store->ready(model.parameters[1]));
}
