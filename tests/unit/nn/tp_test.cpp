// Tensor and sequence parallelism against one rank.
#include <catch2/catch.hpp>

#include "echelon/ops/threads.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

namespace {

struct Outcome {
  double loss = 0;
  Whole gradients;
};

/// Sums what is only a partial sum on each rank (methods: replicated parameters under sequence
/// parallelism), as the trainer does once per step.
void finish_partial(Rig& rig, comm::Communicator& tp) {
  for (Parameter* p : rig.parameters)
    if (p->shard.partial_under_sp) tp.all_reduce(p->grad, comm::ReduceOp::sum, *rig.stream).wait();
}

/// `overlap`: collectives on a stream of their own.
Outcome run(const ModelConfig& m, int ranks, bool sequence_parallel, int64_t sequences,
            bool overlap = false) {
  Outcome out;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    ops::use_threads(1);
    Rig rig(m, world, sequence_parallel);
    const MicroBatch b = rig.batch(sequences, m.seq_length, 3);
    const auto worker = make_worker_stream("tp");
    const double loss = rig.step(b, 1.0f / static_cast<float>(valid_targets(b)), [&](Context& ctx) {
      if (overlap) ctx.tp_stream = worker.get();
    });
    finish_partial(rig, world);
    rig.collect(out.gradients, true);
    if (world.rank() == world.size() - 1) out.loss = loss;
  });
  return out;
}

}  // namespace

TEST_CASE("2 and 4 tensor-parallel ranks give the loss and gradients of one", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.hidden_dropout = m.attention_dropout = GENERATE(0.0, 0.2);
  const Outcome one = run(m, 1, false, 3);
  for (const int ranks : {2, 4})
    for (const bool sequence_parallel : {false, true}) {
      INFO(ranks << " ranks, sequence_parallel " << sequence_parallel);
      const Outcome many = run(m, ranks, sequence_parallel, 3);
      const Outcome overlapped = run(m, ranks, sequence_parallel, 3, true);
      CHECK(overlapped.loss == many.loss);
      CHECK(overlapped.gradients == many.gradients);
      CHECK(many.loss == Approx(one.loss).epsilon(1e-5));
      CHECK(worst_difference(many.gradients, one.gradients) < 1e-4);
    }
}

TEST_CASE("a rank that holds nothing but vocabulary padding takes part", "[nn]") {
  ModelConfig m = gpt2_style();
  m.vocab_size = 17;
  m.make_vocab_size_divisible_by = 8;  // 8 rows on each of 4 ranks; the last has none of the 17
  const Outcome one = run(m, 1, false, 2), four = run(m, 4, false, 2);
  CHECK(four.loss == Approx(one.loss).epsilon(1e-5));
  CHECK(worst_difference(four.gradients, one.gradients) < 1e-4);
}

TEST_CASE("the traffic of a step equals the predicted payload", "[nn]") {
  struct Sink : CommSink {
    void record(const CommRecord& r) override { bytes += r.bytes; }
    int64_t bytes = 0;
  };
  const ModelConfig m = GENERATE(gpt2_style(), llama_style());
  const bool sequence_parallel = GENERATE(false, true);
  Sink sink;
  auto tp = comm::make_logged(comm::make_fake(0, 2, "tp"), sink,
                              std::make_shared<const std::string>("train"));
  Rig rig(m, *tp, sequence_parallel);
  const MicroBatch b = rig.batch(2, 8, 3);
  rig.step(b, 1.0f);
  CHECK(sink.bytes == rig.stage.cost(16, 8, DType::f32).comm_bytes);
}
