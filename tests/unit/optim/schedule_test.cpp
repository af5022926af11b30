#include <catch2/catch.hpp>

#include "echelon/base/error.h"
#include "echelon/optim/schedule.h"
#include "tests/support/golden.h"

using namespace echelon;
using nlohmann::json;

TEST_CASE("Every decay style follows its golden rates", "[optim]") {
  const json golden = test::golden_case("optimizers", "schedules");
  const json& with = golden["config"];
  const auto ks = golden["inputs"]["k"].get<std::vector<int64_t>>();
  CHECK(optim::schedule_names().size() == golden["expected"].size());
  for (const auto name : optim::schedule_names()) {
    optim::SchedulerConfig config;
    config.lr_decay_style = name;
    config.lr_warmup_iters = with["warmup"];
    config.min_lr = with["minimum"];
    config.lr_wsd_decay_iters = with["wsd_decay"];
    config.power = with["power"];
    const optim::Schedule schedule(config, with["peak"], with["total"]);
    const auto want = golden["expected"][std::string(name)].get<std::vector<double>>();
    for (size_t i = 0; i < ks.size(); ++i) {
      INFO(std::string(name) << " update " << ks[i]);
      CHECK(schedule.at(ks[i]) == Approx(want[i]).epsilon(1e-12));
    }
  }
}

TEST_CASE("Past the decay the rate stays at its minimum", "[optim]") {
  for (const char* name : {"linear", "cosine", "polynomial", "wsd"}) {
    optim::SchedulerConfig config;
    config.lr_decay_style = name;
    config.lr_decay_iters = 50;
    config.lr_wsd_decay_iters = 10;
    config.min_lr = 1e-5;
    const optim::Schedule schedule(config, 1e-3, 1000);
    CHECK(schedule.total() == 50);
    CHECK(schedule.at(50) == Approx(1e-5));
    CHECK(schedule.at(900) == Approx(1e-5));
  }
}

TEST_CASE("A warmup that does not fit is refused with both numbers", "[optim]") {
  optim::SchedulerConfig config;
  config.lr_warmup_iters = 101;
  CHECK_THROWS_WITH(optim::Schedule(config, 1e-3, 100),
                    Catch::Contains("scheduler.lr_warmup_iters") && Catch::Contains("101") &&
                        Catch::Contains("100"));
  config.lr_decay_style = "constant";
  CHECK_NOTHROW(optim::Schedule(config, 1e-3, 100));
  config.lr_decay_style = "cosin";
  CHECK_THROWS_WITH(optim::Schedule(config, 1e-3, 100), Catch::Contains("inverse_sqrt"));
}

TEST_CASE("Rates scale with the batch linearly or by the square root", "[optim]") {
  const json golden = test::golden_case("optimizers", "batch_scaling");
  optim::SchedulerConfig config;
  config.base_lr = golden["config"]["base_lr"];
  config.base_batch = golden["config"]["base_batch"];
  const auto batches = golden["inputs"]["batch"].get<std::vector<int64_t>>();
  for (size_t i = 0; i < batches.size(); ++i) {
    config.batch_scaling = optim::BatchScaling::linear;
    CHECK(optim::peak_rate(config, 7, batches[i]) ==
          Approx(golden["expected"]["linear"][i].get<double>()));
    config.batch_scaling = optim::BatchScaling::sqrt;
    CHECK(optim::peak_rate(config, 7, batches[i]) ==
          Approx(golden["expected"]["sqrt"][i].get<double>()));
    config.batch_scaling = optim::BatchScaling::none;
    CHECK(optim::peak_rate(config, 7, batches[i]) == 7);
  }
}

TEST_CASE("Batch ramp-up rises in equal shares of the samples and ends at the global batch",
          "[optim]") {
  const std::vector<int64_t> rampup = {4, 2, 90};
  CHECK_NOTHROW(optim::check_rampup(rampup, 10, 2));
  // three increments, 30 samples each
  CHECK(optim::batch_size_at(rampup, 10, 0) == 4);
  CHECK(optim::batch_size_at(rampup, 10, 29) == 4);
  CHECK(optim::batch_size_at(rampup, 10, 30) == 6);
  CHECK(optim::batch_size_at(rampup, 10, 89) == 8);
  CHECK(optim::batch_size_at(rampup, 10, 90) == 10);
  CHECK(optim::batch_size_at({}, 10, 0) == 10);
  int64_t consumed = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    const int64_t batch = optim::batch_size_at(rampup, 10, consumed);
    CHECK(batch >= last);
    CHECK(batch % 2 == 0);
    last = batch;
    consumed += batch;
  }
  CHECK(last == 10);
}

TEST_CASE("A batch ramp-up that cannot be followed is refused", "[optim]") {
  using List = std::vector<int64_t>;
  for (const List& bad : {List{4, 2}, List{4, 3, 90}, List{12, 2, 90}, List{5, 5, 90},
                          List{0, 2, 90}, List{4, 0, 90}}) {
    CHECK_THROWS_WITH(optim::check_rampup(bad, 10, 2),
                      Catch::Contains("train.rampup_batch_size") && Catch::Contains("10"));
  }
  CHECK_NOTHROW(optim::check_rampup({}, 10, 2));
}
