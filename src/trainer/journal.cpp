#include "src/trainer/journal.h"

#include <algorithm>

#include "echelon/base/log.h"
#include "echelon/base/text.h"
#include "echelon/comm/world.h"
#include "echelon/config/paths.h"
#include "echelon/config/tools.h"
#include "echelon/data/inspect.h"
#include "echelon/ops/peak.h"
#include "echelon/telemetry/nvtx.h"
#include "echelon/trainer/host.h"

namespace echelon::trainer {

namespace {

constexpr double kPeakSeconds = 0.05;
constexpr int64_t kMemoryEvery = 10;  // steps between two looks at the ranks' memory

/// Text of the data's tokenizer; empty when the data comes without one.
std::string tokenizer_text(const RunConfig& config) {
  try {
    return data::find_tokenizer(config.data)->json();
  } catch (const Error& error) {
    log::warn("{}; checkpoints will carry no tokenizer", error.what());
    return "";
  }
}

}  // namespace

Journal::Journal(const LoadedRun& run, comm::Communicator& world, int threads)
    : run_(run),
      world_(world),
      threads_(threads),
      folder_(config::run_directory(directory_of(run.config), "run_dir")),
      base_(static_cast<int64_t>(resident_bytes())) {
  const auto& wanted = run.config.telemetry;
  if (writes()) directory_ = std::make_unique<telemetry::RunDirectory>(folder_);
  world_.barrier();
  const double mine = ops::measured_peak_flops(threads, kPeakSeconds);
  peak_flops_ = comm::all_reduce(world_, std::vector<double>{mine}, comm::ReduceOp::sum)[0];
  if (wanted.communication_log) {
    comm_log_ = std::make_unique<telemetry::CommLog>(
        folder_ / fmt::format("comm.rank{}.jsonl", world.rank()));
    logged_ = comm::make_logged(world.split(0, world.rank(), "world"), *comm_log_, phase_);
  }
  if (wanted.nvtx) trace_ = telemetry::make_nvtx_trace();
  if (!writes()) return;
  directory_->write_resolved(config::resolved_yaml(run.settings));
  metrics_ = std::make_unique<telemetry::Metrics>(wanted);
}

Journal::~Journal() = default;

std::filesystem::path Journal::checkpoint_folder() const {
  const auto& configured = run_.config.checkpoint.save;
  return configured.empty() ? folder_ / "checkpoints" : std::filesystem::path(configured);
}

SavedFacts Journal::saved_facts() const {
  const auto settled = config::settings_of(run_.config);  // with the vocabulary the data decided
  return {run_.config.name, config::resolved_yaml(settled, false), config::canonical(settled, true),
          writes() ? tokenizer_text(run_.config) : ""};
}

void Journal::start(Trainer& trainer, bool resumed) {
  trainer_ = &trainer;
  tokens_ = trainer.consumed_samples() * run_.config.model.seq_length;
  if (!writes()) return;
  const auto& d = trainer.parts().mesh->degrees();
  log::info(
      "{}: {} parameters, {} rank{} of {} thread{} (data {} x tensor {} x pipeline {}), peak "
      "{}FLOP/s{}",
      run_.config.name, text::count(static_cast<double>(nn::parameter_count(run_.config.model))),
      world_.size(), world_.size() == 1 ? "" : "s", threads_, threads_ == 1 ? "" : "s", d.dp, d.tp,
      d.pp, text::count(peak_flops_),
      resumed ? fmt::format("; continues after step {}", trainer.step_number()) : "");
  telemetry::Facts hyperparameters;
  for (const char* key : {"optimizer.type", "optimizer.lr", "train.global_batch_size",
                          "model.num_layers", "model.hidden_size", "model.seq_length", "seed"})
    if (const auto* setting = run_.settings.find(key))
      hyperparameters.emplace_back(key, config::spelled(setting->value, setting->key.kind));
  metrics_->start({.run = run_.config.name,
                   .folder = folder_,
                   .attempt = directory_->attempt(),
                   .first_step = trainer.step_number(),
                   .total_steps = run_.config.train.train_iters,
                   .config = config::resolved_yaml(run_.settings),
                   .hyperparameters = std::move(hyperparameters)});
  write_status("training", -1, "");
}

void Journal::step(const StepReport& report) {
  tokens_ += report.tokens;
  skipped_ += report.skipped;
  meter_.add(report.tokens, report.seconds);
  const double flops =
      nn::flops_per_token(run_.config.model).train(true) * static_cast<double>(report.tokens);
  record_.set("step", report.step)
      .set("loss", report.loss)
      .set("lr", report.lr)
      .set("grad_norm", report.grad_norm)
      .set("tokens", tokens_)
      .set("step_seconds", report.seconds)
      .set("tokens_per_second", meter_.last_tokens_per_second())
      .set("mfu", telemetry::model_flops_utilization(flops, report.seconds, peak_flops_))
      .set("data_seconds", report.data_seconds);
  if (skipped_ > 0) record_.set("skipped_steps", skipped_);
  for (const auto& [name, value] : report.extra) record_.set(name, value);
}

void Journal::validation(const Validation& v) {
  validation_loss_ = v.loss;
  record_.set("val_loss", v.loss).set("val_perplexity", v.perplexity);
  if (v.bits_per_byte) record_.set("val_bits_per_byte", *v.bits_per_byte);
}

void Journal::saved(const checkpoint::SaveReport& report) {
  status_.checkpoint_step = trainer_->step_number();
  record_.set("checkpoint_step", trainer_->step_number()).set("checkpoint_seconds", report.seconds);
  write_status("training", -1, "");
}

void Journal::flush() {
  if (flushed_++ % kMemoryEvery == 0) {
    const RankMemory memory = fullest();
    record_.set("memory_bytes", memory.resident).set("peak_memory_bytes", memory.peak_resident);
  }
  if (writes()) metrics_->step(record_);
  record_ = {};
}

RankMemory Journal::fullest() {
  const std::vector<double> mine = {static_cast<double>(resident_bytes()),
                                    static_cast<double>(peak_resident_bytes()),
                                    static_cast<double>(most_tensor_bytes(trainer_->parts()))};
  std::vector<double> all(static_cast<size_t>(world_.size()) * 3, 0.0);
  std::copy(mine.begin(), mine.end(), all.begin() + world_.rank() * 3);
  all = comm::all_reduce(world_, all, comm::ReduceOp::sum);
  RankMemory most;
  for (int rank = 0; rank < world_.size(); ++rank) {
    const auto* of = all.data() + rank * 3;
    if (rank > 0 && static_cast<int64_t>(of[1]) <= most.peak_resident) continue;
    most = {rank, static_cast<int64_t>(of[0]), static_cast<int64_t>(of[1]),
            static_cast<int64_t>(of[2]), base_};
  }
  return most;
}

void Journal::note(const std::string& text) {
  if (writes()) log::info("{}", text);
}

void Journal::write_status(const std::string& state, int exit_code, const std::string& message) {
  if (!writes()) return;
  status_.state = state;
  status_.step = trainer_ ? trainer_->step_number() : 0;
  status_.total_steps = run_.config.train.train_iters;
  status_.exit_code = exit_code;
  status_.message = message;
  directory_->write_status(status_);
}

RunFacts Journal::facts(ExitCode code) {
  return {.run = &run_,
          .trainer = trainer_,
          .meter = &meter_,
          .folder = folder_,
          .state = code == ExitCode::ok ? "finished" : "stopped",
          .ranks = world_.size(),
          .threads = threads_,
          .peak_flops = peak_flops_,
          .fullest = fullest()};
}

void Journal::finish(ExitCode code) {
  const RunFacts all = facts(code);
  if (!writes()) return;
  metrics_->finish({code == ExitCode::ok, trainer_->step_number()});
  write_status(all.state, static_cast<int>(code), "");
  log::info("{}", memory_line(all));
  if (comm_log_)
    log::info("communication of rank 0:\n{}", telemetry::to_text(comm_log_->summary()));
  if (run_.config.telemetry.report) {
    write_run_report(all);
    log::info("report: {}", (folder_ / "report.html").string());
  }
}

void Journal::failed(const Error& error) noexcept {
  try {
    write_status("failed", static_cast<int>(error.code()), error.what());
    if (writes() && metrics_ && trainer_) metrics_->finish({false, trainer_->step_number()});
    telemetry::RunStatus own = status_;
    own.state = "failed";
    own.exit_code = static_cast<int>(error.code());
    own.message = error.what();
    telemetry::write_rank_status(folder_, world_.rank(), own);
  } catch (const std::exception& second) {
    log::warn("the end of the run could not be recorded: {}", second.what());
  }
}

}  // namespace echelon::trainer
