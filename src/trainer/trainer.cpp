#include "echelon/trainer/trainer.h"

#include <chrono>
#include <cmath>

#include "echelon/data/meta.h"
#include "echelon/optim/norm.h"
#include "src/trainer/replicas.h"

namespace echelon::trainer {

namespace {

class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

optim::Schedule schedule_of(const RunConfig& c) {
  return {c.scheduler, optim::peak_rate(c.scheduler, c.optimizer.lr, c.train.global_batch_size),
          c.train.train_iters};
}

int64_t valid_targets(const std::vector<nn::MicroBatch>& micros) {
  int64_t valid = 0;
  for (const auto& micro : micros)
    for (const int32_t target : micro.targets.span<int32_t>())
      valid += target != data::kIgnoreTarget;
  return valid;
}

/// This rank's pieces of every row, one after the other.
Tensor own_pieces(const Tensor& rows, const nn::ContextParallel& split, Allocator& memory) {
  const int64_t whole = rows.size(1), length = whole / (2 * split.size());
  Tensor own = Tensor::empty({rows.size(0), 2 * length}, rows.dtype(), memory);
  for (int64_t row = 0; row < rows.size(0); ++row)
    for (const int half : {0, 1}) {
      const int64_t from = row * whole + split.piece(split.rank(), half) * length;
      Tensor to = own.flat((2 * row + half) * length, (2 * row + half + 1) * length);
      copy(rows.flat(from, from + length), to);
    }
  return own;
}

}  // namespace

Trainer::Trainer(RunConfig config, comm::Communicator& world, RowSource rows,
                 const StopSignals* stop, TraceSink* trace)
    : config_(std::move(config)),
      world_(world),
      stop_(stop),
      parts_(assemble(config_, world, trace)),
      rows_(std::move(rows)),
      schedule_(schedule_of(config_)) {
  if (rows_) return;
  const data::LoaderOptions options{
      .split = data::Split::train,
      .seq_length = config_.model.seq_length,
      .vocab_size = config_.model.vocab_size,
      .seed = static_cast<uint64_t>(config_.seed),
      .samples = config_.train.train_iters * config_.train.global_batch_size};
  loader_ = std::make_unique<data::Loader>(config_.data, options, *parts_.memory);
  rows_ = [this](int64_t first, int64_t count) { return loader_->rows(first, count); };
}

StepReport Trainer::step() {
  const Clock clock;
  StepReport report;
  report.sequences = optim::batch_size_at(config_.train.rampup_batch_size,
                                          config_.train.global_batch_size, consumed_);
  const auto micros = next_micro_batches(report.sequences);
  report.data_seconds = clock.seconds();
  const double targets = static_cast<double>(report.sequences * config_.model.seq_length);

  parts_.store->zero_grads(*parts_.stream);
  const double loss =
      parts_.executor->train({.micros = micros,
                              .seed = static_cast<uint64_t>(config_.seed),
                              .step = attempts_,
                              .loss_scale = static_cast<float>(1.0 / targets),
                              .sink = parts_.store.get(),
                              .ready_every_micro = parts_.store->reduces_every_micro_batch()});
  parts_.store->finish(*parts_.stream);

  const Totals totals = total(loss, micros, stop_ ? stop_->request() : StopRequest::none);
  report.loss = totals.loss / static_cast<double>(totals.tokens);
  report.tokens = totals.tokens;
  report.stop = totals.stop;
  // Gradients were divided by all targets; where some were ignored, by the valid ones after all.
  update(report, targets / static_cast<double>(totals.tokens));

  consumed_ += report.sequences;
  ++attempts_;
  report.step = step_;
  if (const auto k = config_.train.replica_check_interval; k > 0 && step_ % k == 0)
    check_replicas(parts_, step_);
  report.seconds = clock.seconds();
  return report;
}

void Trainer::update(StepReport& report, double grad_scale) {
  const auto& slices = parts_.optimizer->slices();
  report.grad_norm =
      grad_scale * optim::gradient_norm(slices, parts_.store->norm_sum(), *parts_.stream);
  report.lr = schedule_.at(step_ + 1);
  report.skipped = !std::isfinite(report.grad_norm) || !std::isfinite(report.loss);
  if (report.skipped) {
    if (++skips_in_a_row_ >= config_.train.max_consecutive_skips)
      fail(ExitCode::numerics, "M1",
           "step {}: found loss {} and gradient norm {} {} times in a row, wanted finite numbers; "
           "the "
           "run stops, earlier checkpoints stay; lower optimizer.lr or start from an earlier one",
           step_ + 1, report.loss, report.grad_norm, skips_in_a_row_);
    return;
  }
  skips_in_a_row_ = 0;
  const double clip = optim::clip_coefficient(report.grad_norm, config_.clip_grad) *
                      parts_.optimizer->clip_factor(report.grad_norm);
  parts_.optimizer->step(report.lr, grad_scale * clip, step_ + 1, *parts_.stream);
  parts_.store->publish(*parts_.stream);
  parts_.optimizer->report(
      [&](const std::string& name, double value) { report.extra.emplace_back(name, value); });
  ++step_;
}

std::vector<nn::MicroBatch> Trainer::next_micro_batches(int64_t sequences) {
  const auto& mesh = *parts_.mesh;
  const int64_t mine = sequences / mesh.degrees().dp, first = mine * mesh.here().dp;
  return cut(rows_(consumed_ + first, mine), first);
}

std::vector<nn::MicroBatch> Trainer::cut(const data::Batch& rows, int64_t first_sample) const {
  std::vector<nn::MicroBatch> micros;
  const int64_t size = std::min(config_.train.micro_batch_size, rows.tokens.size(0));
  Tensor tokens = rows.tokens, targets = rows.targets;
  if (parts_.context_parallel) {
    tokens = own_pieces(tokens, *parts_.context_parallel, *parts_.memory);
    targets = own_pieces(targets, *parts_.context_parallel, *parts_.memory);
  }
  for (int64_t at = 0; at + size <= rows.tokens.size(0); at += size)
    micros.push_back(
        {tokens.slice(at, at + size), targets.slice(at, at + size), first_sample + at});
  return micros;
}

Trainer::Totals Trainer::total(double loss, const std::vector<nn::MicroBatch>& micros,
                               StopRequest stop) {
  // One control message a step. Tensor-parallel ranks hold the same loss and the same rows, the
  // stages of a pipeline the same rows: one rank of each counts.
  const bool counts = parts_.last_stage() && parts_.mesh->here().tp == 0;
  const auto sums = comm::all_reduce(
      world_,
      std::vector<double>{
          counts ? loss : 0, counts ? static_cast<double>(valid_targets(micros)) : 0,
          stop == StopRequest::save_and_stop ? 1.0 : 0.0, stop == StopRequest::stop ? 1.0 : 0.0},
      comm::ReduceOp::sum);
  if (sums[1] == 0)
    fail(ExitCode::data, "D12",
         "step {}: found no target to predict in the global batch, wanted at "
         "least one; nothing was updated",
         step_ + 1);
  return {sums[0], static_cast<int64_t>(sums[1]),
          sums[3] > 0   ? StopRequest::stop
          : sums[2] > 0 ? StopRequest::save_and_stop
                        : StopRequest::none};
}

Validation Trainer::validate(int64_t batches, data::Split split) {
  const data::LoaderOptions options{.split = split,
                                    .seq_length = config_.model.seq_length,
                                    .vocab_size = config_.model.vocab_size,
                                    .seed = static_cast<uint64_t>(config_.seed),
                                    .samples = batches * config_.train.global_batch_size};
  auto data = config_.data;
  if (data.order == data::Order::random) data.order = data::Order::counter;
  data::Loader loader(data, options, *parts_.memory);
  const auto& mesh = *parts_.mesh;
  const int64_t mine = config_.train.global_batch_size / mesh.degrees().dp;
  Totals all;
  for (int64_t k = 0; k < batches; ++k) {
    const int64_t first = k * config_.train.global_batch_size + mine * mesh.here().dp;
    const auto micros = cut(loader.rows(first, mine), 0);
    const double loss = parts_.executor->evaluate({.micros = micros});
    const Totals sums = total(loss, micros, StopRequest::none);
    all.loss += sums.loss;
    all.tokens += sums.tokens;
  }
  Validation v;
  v.tokens = all.tokens;
  v.loss = all.loss / static_cast<double>(all.tokens);
  v.perplexity = std::exp(v.loss);
  if (const auto per_token = loader.bytes_per_token(); per_token && *per_token > 0)
    v.bits_per_byte = v.loss / std::log(2.0) / *per_token;
  return v;
}

void settle_vocabulary(RunConfig& config, comm::Communicator& world) {
  int64_t vocabulary = 0;
  std::string failure;
  if (world.rank() == 0) {
    try {
      const auto paths = data::paths_of(config.data, data::Split::train).paths;
      if (!paths.empty())
        if (const auto meta = data::read_meta(
                *data::open_token_file(paths[0].path, config.data.format, config.data.io)))
          vocabulary = meta->vocab_size;
    } catch (const Error& error) {
      failure = error.what();
    }
  }
  failure = comm::broadcast(world, failure, 0);
  if (!failure.empty()) throw Error(ExitCode::data, "D1", failure);
  vocabulary = comm::all_reduce(world, std::vector<int64_t>{vocabulary}, comm::ReduceOp::max)[0];
  if (config.model.vocab_size == 0) config.model.vocab_size = vocabulary;
  if (config.model.vocab_size == 0)
    fail(ExitCode::config, "C3",
         "model.vocab_size: found 0 and no <data>.meta.json that says it, wanted "
         "the size of the vocabulary; nothing was started; set model.vocab_size: 50257, for "
         "example");
  if (vocabulary > config.model.vocab_size)
    fail(ExitCode::config, "C9",
         "model.vocab_size: found {}, but data.data_path was made with a "
         "vocabulary of {}; nothing was started; set model.vocab_size to at least {}",
         config.model.vocab_size, vocabulary, vocabulary);
}

}  // namespace echelon::trainer
