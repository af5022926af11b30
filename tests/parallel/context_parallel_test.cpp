// Sequences split over ranks train like whole ones: positions, dropout and the causal mask are
// those of the whole sequence.
#include <catch2/catch.hpp>

#include <map>

#include "tests/parallel/tiny_run.h"

using namespace echelon;
using namespace echelon::test;

namespace {

RunConfig with_context(RunConfig c, int64_t cp) {
  c.parallel.context_parallel_size = cp;
  return c;
}

RunConfig llama() {
  RunConfig c = tiny();
  c.model.num_query_groups = 2;
  c.model.activation = ops::Activation::swiglu;
  c.model.normalization = nn::Normalization::rmsnorm;
  c.model.position_embedding_type = nn::Positions::rope;
  c.model.add_bias_linear = false;
  c.model.tie_embeddings = false;
  return c;
}

/// Calls and bytes on the context-parallel group.
class RingLog : public CommSink {
 public:
  void record(const CommRecord& r) override {
    if (r.group != "cp") return;
    const std::lock_guard lock(mutex_);
    calls_[r.op] += 1;
    bytes_ += r.op == "send" ? r.bytes : 0;
  }
  int64_t calls(const std::string& op) { return calls_[op]; }
  int64_t bytes() const { return bytes_; }

 private:
  std::mutex mutex_;
  std::map<std::string, int64_t> calls_;
  int64_t bytes_ = 0;
};

}  // namespace

TEST_CASE("Split sequences train like whole ones", "[parallel]") {
  for (const RunConfig& base : {tiny(), llama()}) {
    const Ran one = run(base, 1);
    for (const int64_t cp : {2, 4}) {
      const Ran split = run(with_context(base, cp), static_cast<int>(cp));
      INFO("rope " << (base.model.position_embedding_type == nn::Positions::rope) << ", cp " << cp);
      CHECK(worst(split.losses, one.losses) < 1e-6);
      CHECK(worst(split.norms, one.norms) < 1e-5);
    }
  }
}

TEST_CASE("Split sequences work with every other way to share the model", "[parallel]") {
  const Ran one = run(tiny(), 1);
  const auto full = [](const RunConfig& c) {
    return with_recompute(c, remat::Granularity::full, remat::Method::uniform, 1);
  };
  const std::vector<RunConfig> layouts = {
      with_layout(tiny(), 1, 1, 1),
      with_layout(tiny(), 1, 1, 3),
      full(with_layout(tiny(), 1, 1, 3)),
      with_layout(tiny(), 2, 1, 0),
      with_layout(tiny(), 1, 2, 0, "zero_bubble"),
      full(with_layout(tiny(), 1, 2, 2, "interleaved", 2)),
      with_recompute(with_layout(tiny(), 2, 1, 3), remat::Granularity::selective,
                     remat::Method::uniform, 1)};
  for (size_t i = 0; i < layouts.size(); ++i) {
    INFO("layout " << i);
    const Ran ran = run(with_context(layouts[i], 2), 4);
    CHECK(worst(ran.losses, one.losses) < 2e-6);
  }
}

TEST_CASE("Keys and values go around the ring once forward, with their gradients once backward",
          "[parallel]") {
  for (const int cp : {2, 4})
    for (const bool recompute : {false, true}) {
      RingLog log;
      comm::run_thread_ranks(cp, [&](comm::Communicator& world) {
        ops::use_threads(1);
        const auto memory = make_cpu_allocator();
        RingLog others;
        const auto logged = comm::make_logged(world.split(0, world.rank(), "world"),
                                              world.rank() == 0 ? log : others,
                                              std::make_shared<const std::string>("train"));
        RunConfig config = with_context(tiny(), cp);
        if (recompute)
          config = with_recompute(config, remat::Granularity::full, remat::Method::uniform, 1);
        trainer::Trainer trainer(config, *logged, [&](int64_t first, int64_t count) {
          return rows_of(first, count, *memory);
        });
        trainer.step();
      });
      constexpr int64_t kLayers = 4, kMicros = 8;
      const int64_t forward = (cp - 1) * kLayers * kMicros;
      CHECK(log.calls("send") == forward * (recompute ? 4 : 3));
      CHECK(log.calls("recv") == log.calls("send"));
      CHECK(log.bytes() == log.calls("send") * 2 * (2 * 16 / cp) * 32 * 4);  // 2 T k / t elements
    }
}
