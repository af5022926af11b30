#pragma once
// Runs one rank's program: the only loop over micro-batches, whatever the schedule.
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "echelon/comm/communicator.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/pipeline/schedule.h"

namespace echelon::pipeline {

/// What a pass over the micro-batches needs besides the model.
struct Pass {
  std::span<const nn::MicroBatch> micros;
  uint64_t seed = 0;
  int64_t step = 0;
  float loss_scale = 1;            ///< nn::Context::loss_scale
  nn::GradSink* sink = nullptr;    ///< told of complete gradients
  bool ready_every_micro = false;  ///< ZeRO-2: at every micro-batch, not the last alone
};

/// What the executor works with; everything outlives it.
struct Engine {
  Stream& stream;
  Allocator& memory;
  TraceSink* trace = nullptr;
  Stream* tp_stream = nullptr;
  /// Stash of one micro-batch of one chunk; null: plain.
  std::function<std::unique_ptr<nn::Stash>()> make_stash;
  const nn::ContextParallel* context_parallel = nullptr;  ///< null: sequences are whole
};

class Channels;

/// Follows the schedule's program for as many micro-batches as a pass has. Activations and
/// gradients travel on queues of their own (one worker thread and one communicator each), so that
/// neither side waits for the other; receives are posted one message ahead.
class Executor {
 public:
  /// `chunks[j]` is stage shape.stage_of(pp.rank(), j). Collective over `pp`.
  Executor(int chunks_per_rank, std::unique_ptr<Schedule> schedule,
           std::vector<nn::GptStage*> chunks, comm::Communicator& pp, Engine engine);
  ~Executor();

  /// Forward and backward of every micro-batch. Returns the summed loss in nats on the rank of the
  /// last stage, 0 elsewhere.
  double train(const Pass& pass);
  /// Forward alone, no dropout, nothing stashed.
  double evaluate(const Pass& pass);

  /// Most bytes in the stashes of this rank at one time during the last `train`.
  size_t peak_stash_bytes() const { return peak_stash_bytes_; }
  const Program& program() const { return program_; }

 private:
  struct Slot;
  struct Run;
  double execute(const Program& program, const Pass& pass, bool training);
  void step(Run& run, const Action& action);
  void forward(Run& run, const Action& action);
  void backward(Run& run, const Action& action, bool split);

  void prepare(int micros);

  PipeShape shape_;
  int rank_ = 0;
  std::unique_ptr<Schedule> schedule_;
  Program program_;
  std::vector<nn::GptStage*> chunks_;
  Engine engine_;
  std::unique_ptr<Channels> channels_;
  size_t peak_stash_bytes_ = 0;
};

}  // namespace echelon::pipeline
