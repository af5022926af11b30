#include "echelon/pipeline/executor.h"

#include <map>

#include "echelon/pipeline/schedule.h"
#include "src/pipeline/channels.h"

namespace echelon::pipeline {

/// One micro-batch on one chunk between its forward and its last backward part.
struct Executor::Slot {
  std::unique_ptr<nn::Stash> stash;
  nn::WgradQueue wgrad;
  Tensor output;  // of the forward, until sent
  Tensor dinput;  // of the backward, until sent
};

struct Executor::Run {
  const Pass& pass;
  bool training;
  std::map<std::pair<int, int>, Slot> slots;  // (stage, micro-batch)
  std::map<int, int> backward_left;           // per stage: B or I actions still to come
  Tensor received_act, received_grad;
  double loss = 0;
};

namespace {

/// Forward of every micro-batch through every chunk.
Program forward_program(const PipeShape& shape, int rank) {
  Program program;
  for (int micro = 0; micro < shape.micros; ++micro)
    for (int chunk = 0; chunk < shape.chunks; ++chunk)
      program.push_back({Kind::F, shape.stage_of(rank, chunk), micro});
  return with_transfers(program, shape);
}

}  // namespace

Executor::Executor(int chunks_per_rank, std::unique_ptr<Schedule> schedule,
                   std::vector<nn::GptStage*> chunks, comm::Communicator& pp, Engine engine)
    : shape_{pp.size(), chunks_per_rank, 0},
      rank_(pp.rank()),
      schedule_(std::move(schedule)),
      chunks_(std::move(chunks)),
      engine_(std::move(engine)),
      channels_(std::make_unique<Channels>(shape_, pp)) {
  ECH_CHECK(static_cast<int>(chunks_.size()) == shape_.chunks, "{} chunks", chunks_.size());
  if (!engine_.make_stash) engine_.make_stash = [] { return std::make_unique<nn::Stash>(); };
}

Executor::~Executor() = default;

void Executor::prepare(int micros) {
  if (micros == shape_.micros) return;
  PipeShape shape = shape_;
  shape.micros = micros;
  program_ = programs_of(*schedule_, shape)[static_cast<size_t>(rank_)];
  shape_ = shape;
}

double Executor::train(const Pass& pass) {
  prepare(static_cast<int>(pass.micros.size()));
  peak_stash_bytes_ = 0;
  return execute(program_, pass, true);
}

double Executor::evaluate(const Pass& pass) {
  PipeShape shape = shape_;
  shape.micros = static_cast<int>(pass.micros.size());
  return execute(forward_program(shape, rank_), pass, false);
}

double Executor::execute(const Program& program, const Pass& pass, bool training) {
  ECH_CHECK(!pass.micros.empty(), "no micro-batches");
  Run run{pass, training, {}, {}, {}, {}, 0};
  for (const Action& a : program)
    if (a.kind == Kind::B || a.kind == Kind::I) ++run.backward_left[a.stage];
  if (shape_.ranks > 1)
    channels_->expect(
        program, chunks_[0]->activation_shape(pass.micros[0].sequences(), pass.micros[0].length()),
        DType::f32, engine_.memory);
  for (const Action& action : program) step(run, action);
  channels_->flush();
  return run.loss;
}

void Executor::step(Run& run, const Action& action) {
  const TraceScope scope(engine_.trace, to_string(action), "pipeline", action.micro);
  Slot& slot = run.slots[{action.stage, action.micro}];
  switch (action.kind) {
    case Kind::F: forward(run, action); break;
    case Kind::B: backward(run, action, false); break;
    case Kind::I: backward(run, action, true); break;
    case Kind::W:
      for (auto& work : slot.wgrad) work();
      run.slots.erase({action.stage, action.micro});
      break;
    case Kind::RecvAct: run.received_act = channels_->take(Kind::RecvAct); break;
    case Kind::RecvGrad: run.received_grad = channels_->take(Kind::RecvGrad); break;
    case Kind::SendAct: channels_->send(Kind::SendAct, action.stage, std::move(slot.output)); break;
    case Kind::SendGrad:
      channels_->send(Kind::SendGrad, action.stage, std::move(slot.dinput));
      break;
  }
}

void Executor::forward(Run& run, const Action& action) {
  Slot& slot = run.slots[{action.stage, action.micro}];
  slot.stash = engine_.make_stash();
  const auto& batch = run.pass.micros[static_cast<size_t>(action.micro)];
  nn::Context ctx{.stream = engine_.stream,
                  .memory = engine_.memory,
                  .stash = *slot.stash,
                  .batch = batch,
                  .seed = run.pass.seed,
                  .step = run.pass.step,
                  .training = run.training,
                  .trace = engine_.trace,
                  .tp_stream = engine_.tp_stream,
                  .context_parallel = engine_.context_parallel};
  // Between chunks of one rank (a pipeline of one) the activation is handed over in memory.
  Tensor input = std::exchange(run.received_act, {});
  if (!input.defined() && action.stage > 0)
    input = std::exchange(run.slots[{action.stage - 1, action.micro}].output, {});
  Tensor out = chunks_[static_cast<size_t>(shape_.chunk_of(action.stage))]->forward(input, ctx);
  if (action.stage + 1 == shape_.stages())
    run.loss += out.data<double>()[0];
  else
    slot.output = std::move(out);
  size_t held = 0;
  for (const auto& [key, each] : run.slots)
    if (each.stash) held += each.stash->bytes();
  peak_stash_bytes_ = std::max(peak_stash_bytes_, held);
}

void Executor::backward(Run& run, const Action& action, bool split) {
  const std::pair<int, int> key{action.stage, action.micro};
  Slot& slot = run.slots[key];
  const auto& batch = run.pass.micros[static_cast<size_t>(action.micro)];
  const bool last = --run.backward_left[action.stage] == 0;
  nn::Context ctx{.stream = engine_.stream,
                  .memory = engine_.memory,
                  .stash = *slot.stash,
                  .batch = batch,
                  .seed = run.pass.seed,
                  .step = run.pass.step,
                  .loss_scale = run.pass.loss_scale,
                  .last_micro_batch = last || run.pass.ready_every_micro,
                  .sink = run.pass.sink,
                  .wgrad = split ? &slot.wgrad : nullptr,
                  .trace = engine_.trace,
                  .tp_stream = engine_.tp_stream,
                  .context_parallel = engine_.context_parallel};
  Tensor dy = std::exchange(run.received_grad, {});
  if (!dy.defined() && action.stage + 1 < shape_.stages())
    dy = std::exchange(run.slots[{action.stage + 1, action.micro}].dinput, {});
  slot.dinput = chunks_[static_cast<size_t>(shape_.chunk_of(action.stage))]->backward(dy, ctx);
  ECH_CHECK(slot.stash->empty(), "stage {} left {} bytes on its stash", action.stage,
            slot.stash->bytes());
  slot.stash.reset();
  if (!split && !slot.dinput.defined()) run.slots.erase(key);
}

}  // namespace echelon::pipeline
