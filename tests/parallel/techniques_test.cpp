// Recomputation, offload and ZeRO through the trainer: where things are, never what comes out.
#include <catch2/catch.hpp>

#include "tests/parallel/tiny_run.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::test;

TEST_CASE("Recomputation and offload train to the same bits with a smaller stash", "[parallel]") {
  using remat::Granularity;
  using remat::Method;
  const test::Scratch scratch;
  for (const RunConfig& base : {tiny(), with_layout(tiny(), 1, 2, 0, "zero_bubble"),
                                with_layout(tiny(), 2, 1, 0), with_layout(tiny(), 1, 1, 3)}) {
    const int ranks = base.zero_optimization.stage == 3 ||
                              base.parallel.tensor_model_parallel_size > 1 ||
                              base.parallel.pipeline_model_parallel_size > 1
                          ? 2
                          : 1;
    INFO(ranks << " ranks, schedule " << base.pipeline.pipeline_schedule << ", stage "
               << base.zero_optimization.stage);
    const Ran plain = run(base, ranks);
    std::vector<RunConfig> variants = {
        with_recompute(base, Granularity::full, Method::uniform, 1),
        with_recompute(base, Granularity::full, Method::uniform, 2),
        with_recompute(base, Granularity::full, Method::block, 1),
        with_recompute(base, Granularity::selective, Method::uniform, 1),
        base,
        base,
        with_recompute(base, Granularity::full, Method::uniform, 1)};
    variants[4].offload = {offload::Place::memory, "", 1024};
    variants[5].offload = {offload::Place::file, scratch.path().string(), 1024};
    variants[6].offload = {offload::Place::file, scratch.path().string(), 1024};
    for (size_t i = 0; i < variants.size(); ++i) {
      INFO("variant " << i);
      const Ran other = run(variants[i], ranks);
      if (i == 1 && base.zero_optimization.stage == 3) {  // other units: other sums of the norm
        CHECK(worst(other.losses, plain.losses) < 1e-6);
        CHECK(worst(other.norms, plain.norms) < 1e-6);
      } else {
        CHECK(other.losses == plain.losses);
        CHECK(other.norms == plain.norms);
      }
      for (size_t rank = 0; rank < other.stash.size(); ++rank)
        CHECK(other.stash[rank] < plain.stash[rank]);
    }
  }
}

TEST_CASE("A recomputed stage holds one input a layer and micro-batch in flight", "[parallel]") {
  // Two stages of two layers, 1F1B: two micro-batches in flight on the first.
  RunConfig config = with_layout(tiny(), 1, 2, 0);
  config.model.tie_embeddings = false;
  const Ran plain = run(config, 2);
  const Ran full =
      run(with_recompute(config, remat::Granularity::full, remat::Method::uniform, 1), 2);
  constexpr size_t kInput = 2 * 16 * 32 * sizeof(float);
  CHECK(full.stash[0] == 2 * 2 * kInput);
  // Korthikanti et al.: a layer holds 10 + 24 inputs' worth at two bytes an element; here four
  // bytes, no masks, statistics on top: x, two norms' outputs, qkv (3), out, 2 x 4 hidden, residual
  constexpr size_t kLayer = (1 + 1 + 3 + 1 + 1 + 1 + 8) * kInput + (4 + 4) * 32 * sizeof(float);
  CHECK(plain.stash[0] == 2 * 2 * kLayer);
}

TEST_CASE("ZeRO stages train alike and divide memory", "[parallel]") {
  const Ran one = run(tiny(), 1);
  for (const int ranks : {2, 4}) {
    std::vector<Ran> stages;
    for (const int64_t stage : {0, 1, 2, 3}) {
      stages.push_back(run(with_layout(tiny(), 1, 1, stage), ranks));
      INFO(ranks << " ranks, stage " << stage);
      CHECK(worst(stages.back().losses, one.losses) < 1e-6);
      CHECK(worst(stages.back().norms, one.norms) < 1e-5);
    }
    RunConfig inline_gathers = with_layout(tiny(), 1, 1, 3);
    inline_gathers.zero_optimization.overlap_comm = false;
    CHECK(run(inline_gathers, ranks).losses == stages[3].losses);
    const auto d = static_cast<size_t>(ranks);
    for (size_t rank = 0; rank < d; ++rank) {
      const auto& [zero, three] = std::pair(stages[0].bytes[rank], stages[3].bytes[rank]);
      CHECK(stages[1].optimizer[rank] < stages[0].optimizer[rank] / d * 11 / 10);
      CHECK(stages[3].optimizer[rank] < stages[0].optimizer[rank] / d * 11 / 10);
      CHECK(three.gradients * ranks < zero.gradients * 11 / 10);
      CHECK(three.weights * ranks < zero.weights * 11 / 10);
      CHECK(stages[3].weights[rank] == static_cast<size_t>(three.weights + three.gathered));
      CHECK(stages[3].weights[rank] < static_cast<size_t>(zero.weights));
    }
  }
}

TEST_CASE("Stage 3 works with tensor and pipeline parallelism and with recomputation",
          "[parallel]") {
  const Ran one = run(tiny(), 1);
  RunConfig untied = tiny();
  untied.model.tie_embeddings = false;
  const Ran one_untied = run(untied, 1);
  const std::vector<std::tuple<int64_t, int64_t, std::string, int64_t>> layouts = {
      {2, 1, "1f1b", 1}, {1, 2, "1f1b", 1}, {1, 2, "zero_bubble", 1}, {1, 2, "interleaved", 2}};
  for (const auto& [tp, pp, schedule, chunks] : layouts)
    for (const bool tied : {true, false})
      for (const bool full : {false, true}) {
        RunConfig config = with_layout(tied ? tiny() : untied, tp, pp, 3, schedule, chunks);
        if (full)
          config = with_recompute(config, remat::Granularity::full, remat::Method::uniform, 1);
        INFO("tp " << tp << ", pp " << pp << ", " << schedule << ", tied " << tied << ", recompute "
                   << full);
        const Ran ran = run(config, 4);
        CHECK(worst(ran.losses, (tied ? one : one_untied).losses) < 2e-6);
      }
}

TEST_CASE("A checkpoint of stage 3 goes on in any other stage and layout", "[parallel]") {
  const test::Scratch scratch;
  const Ran whole = run(tiny(), 1, {}, 6);
  const std::vector<double> rest(whole.losses.begin() + 3, whole.losses.end());
  const std::string three = (scratch.path() / "three").string();
  run(with_layout(tiny(), 1, 1, 3), 4, {"", three}, 3);
  CHECK(worst(run(tiny(), 1, {three, ""}, 3).losses, rest) < 2e-6);
  CHECK(worst(run(with_layout(tiny(), 2, 1, 3), 4, {three, ""}, 3).losses, rest) < 2e-6);
  const std::string zero = (scratch.path() / "zero").string();
  run(tiny(), 1, {"", zero}, 3);
  CHECK(worst(run(with_layout(tiny(), 1, 2, 3), 4, {zero, ""}, 3).losses, rest) < 2e-6);
}
