#include "src/trainer/journal.h"

#include "echelon/base/file.h"
#include "echelon/base/log.h"
#include "echelon/base/text.h"
#include "echelon/config/paths.h"
#include "echelon/config/tools.h"
#include "echelon/data/meta.h"
#include "echelon/data/tokenizer.h"
#include "echelon/ops/peak.h"

namespace echelon::trainer {

namespace {

constexpr double kPeakSeconds = 0.05;
constexpr size_t kTokenizerLimit = size_t{64} << 20;

/// tokenizer.json beside the first training file; empty when there is none.
std::string tokenizer_text(const RunConfig& config) {
  if (config.data.tokenizer.type == data::TokenizerKind::file)
    return read_file(config.data.tokenizer.file, kTokenizerLimit);
  if (config.data.tokenizer.type != data::TokenizerKind::automatic)
    return data::make_tokenizer(config.data.tokenizer)->json();
  const auto paths = data::paths_of(config.data, data::Split::train).paths;
  if (paths.empty()) return "";
  const auto file = data::open_token_file(paths[0].path, config.data.format, config.data.io);
  const std::filesystem::path side = data::side_file(file->name(), "tokenizer.json");
  return std::filesystem::exists(side) ? read_file(side, kTokenizerLimit) : "";
}

}  // namespace

Journal::Journal(const LoadedRun& run, comm::Communicator& world, int threads)
    : run_(run),
      world_(world),
      threads_(threads),
      folder_(config::run_directory(directory_of(run.config), "run_dir")) {
  world_.barrier();
  const double mine = ops::measured_peak_flops(threads, kPeakSeconds);
  peak_flops_ = comm::all_reduce(world_, std::vector<double>{mine}, comm::ReduceOp::sum)[0];
  if (!writes()) return;
  std::filesystem::create_directories(folder_);
  write_file_atomically(folder_ / "resolved.yaml", config::resolved_yaml(run.settings));
  metrics_ = std::make_unique<telemetry::Metrics>(run.config.telemetry);
}

Journal::~Journal() = default;

std::filesystem::path Journal::checkpoint_folder() const {
  const auto& configured = run_.config.checkpoint.save;
  return configured.empty() ? folder_ / "checkpoints" : std::filesystem::path(configured);
}

SavedFacts Journal::saved_facts() const {
  RunConfig settled = run_.config;  // with the vocabulary that the data decided
  auto settings = config::settings_of(settled);
  return {run_.config.name, config::resolved_yaml(settings, false),
          config::canonical(settings, true), writes() ? tokenizer_text(run_.config) : ""};
}

void Journal::start(Trainer& trainer, bool resumed) {
  trainer_ = &trainer;
  tokens_ = trainer.consumed_samples() * run_.config.model.seq_length;
  if (!writes()) return;
  const auto& d = trainer.parts().mesh->degrees();
  log::info(
      "{}: {} parameters, {} ranks (data {}, tensor {}, pipeline {}) of {} threads, peak "
      "{}FLOP/s{}",
      run_.config.name, text::count(static_cast<double>(nn::parameter_count(run_.config.model))),
      world_.size(), d.dp, d.tp, d.pp, threads_, text::count(peak_flops_),
      resumed ? fmt::format("; continues after step {}", trainer.step_number()) : "");
  metrics_->start({.run = run_.config.name,
                   .folder = folder_,
                   .attempt = 1,
                   .first_step = trainer.step_number(),
                   .total_steps = run_.config.train.train_iters,
                   .config = config::resolved_yaml(run_.settings),
                   .hyperparameters = {}});
}

void Journal::step(const StepReport& report) {
  tokens_ += report.tokens;
  skipped_ += report.skipped;
  meter_.add(report.tokens, report.seconds);
  const double flops =
      nn::flops_per_token(run_.config.model).train(true) * static_cast<double>(report.tokens);
  record_ = {};
  record_.set("step", report.step)
      .set("loss", report.loss)
      .set("lr", report.lr)
      .set("grad_norm", report.grad_norm)
      .set("tokens", tokens_)
      .set("step_seconds", report.seconds)
      .set("tokens_per_second", meter_.last_tokens_per_second())
      .set("mfu", telemetry::model_flops_utilization(flops, report.seconds, peak_flops_))
      .set("data_seconds", report.data_seconds)
      .set("memory_bytes", static_cast<int64_t>(resident_bytes()))
      .set("skipped_steps", skipped_);
  for (const auto& [name, value] : report.extra) record_.set(name, value);
}

void Journal::validation(int64_t, const Validation& v) {
  record_.set("val_loss", v.loss).set("val_perplexity", v.perplexity);
  if (v.bits_per_byte) record_.set("val_bits_per_byte", *v.bits_per_byte);
}

void Journal::saved(const checkpoint::SaveReport& report) {
  record_.set("checkpoint_step", trainer_->step_number()).set("checkpoint_seconds", report.seconds);
}

void Journal::flush() {
  if (writes()) metrics_->step(record_);
}

void Journal::note(const std::string& text) {
  if (writes()) log::info("{}", text);
}

void Journal::finish(ExitCode code) {
  if (writes()) metrics_->finish({code == ExitCode::ok, trainer_->step_number()});
}

}  // namespace echelon::trainer
