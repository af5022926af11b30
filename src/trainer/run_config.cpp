#include "echelon/trainer/run_config.h"

#include <array>

#include "echelon/comm/communicator.h"
#include "echelon/config/tools.h"

namespace echelon::trainer {

namespace {
/// `parallel:` is filled by two modules.
struct ParallelSection {
  RunConfig& run;
  void fields(config::Fields& f) {
    run.parallel.fields(f);
    run.pipeline.fields(f);
  }
};
}  // namespace

void TrainConfig::fields(config::Fields& f) {
  f.integer("micro_batch_size", micro_batch_size, {1, 1 << 20},
            "Sequences a rank works on at once.");
  f.integer("global_batch_size", global_batch_size, {1, 1 << 26},
            "Sequences per update, over all data-parallel ranks and micro-batches.");
  f.on_resume(config::OnResume::may_change);
  f.count("train_iters", train_iters, {1}, "Updates of the whole run.");
  f.on_resume(config::OnResume::must_match);
  f.integers(
      "rampup_batch_size", rampup_batch_size, {1},
      "[start, increment, samples]: the global batch grows from start by increment until it is "
      "reached after that many samples; empty: constant.");
  f.on_resume(config::OnResume::may_change);
  f.integer("eval_interval", eval_interval, {0}, "Updates between two validations; 0: none.");
  f.integer("eval_iters", eval_iters, {1}, "Global batches per validation.");
  f.duration("exit_after", exit_after, {0, 1e9}, "Save and stop after this time; 0s: never.");
  f.integer(
      "max_consecutive_skips", max_consecutive_skips, {1, 1 << 20},
      "Updates skipped in a row for non-finite gradients before the run stops (exit code 7).");
  f.integer("replica_check_interval", replica_check_interval, {0},
            "Updates between two comparisons of all replicated weights bit for bit (exit code 8); "
            "0: none.");
  f.integer(
      "threads_per_rank", threads_per_rank, {0, 4096},
      "Compute threads of a CPU rank; 0: OMP_NUM_THREADS, else cores of the host / its ranks.");
}

void RunConfig::fields(config::Fields& f) {
  constexpr std::array<std::string_view, 3> kDevices = {"auto", "cpu", "cuda"};
  f.on_resume(config::OnResume::may_change);
  f.text("name", name, "Name of the run; its directory is runs/<name>.");
  f.text("run_dir", run_dir, "Run directory in place of runs/<name>.");
  f.choice("device", device, kDevices, "Where to compute; auto takes a GPU when there is one.");
  f.on_resume(config::OnResume::must_match);
  f.integer("seed", seed, {0}, "Seed of initialisation, dropout and data order.");
  f.real("clip_grad", clip_grad, {0, 1e9}, "Largest global gradient norm; 0 turns clipping off.");
  f.group("model", model, "The decoder.");
  nn::AttentionConfig attention{model};
  f.group("attention", attention, "Kind of attention.");
  f.group("train", train, "Batches and length of the run.");
  f.group("optimizer", optimizer, "Update rule.");
  f.group("scheduler", scheduler, "Learning rate over the run.");
  f.group("data", data, "Token files and their order.");
  ParallelSection section{*this};
  f.on_resume(config::OnResume::may_change);
  f.group("parallel", section, "How ranks share the model.");
  f.group("zero_optimization", zero_optimization, "What data-parallel ranks divide (ZeRO).");
  f.group("recompute", recompute, "What backward computes again instead of keeping it.");
  f.group("offload", offload, "What leaves the device's memory between forward and backward.");
  f.group("checkpoint", checkpoint, "Saving and resuming.");
  f.group("telemetry", telemetry, "What is shown and recorded.");
}

LoadedRun load_run(const config::Sources& sources, comm::Communicator& world) {
  LoadedRun run;
  std::string text, failure = "0\n\n";  // exit code, id, message
  if (world.rank() == 0) {
    try {
      run.config = config::load<RunConfig>(sources, &run.settings);
      text = config::resolved_yaml(run.settings, false);
    } catch (const Error& error) {
      failure = fmt::format("{}\n{}\n{}", static_cast<int>(error.code()), error.id(), error.what());
      if (world.size() == 1) throw;
    }
  }
  // Everybody learns of a bad file before anybody starts.
  failure = comm::broadcast(world, failure, 0);
  const size_t id = failure.find('\n') + 1, message = failure.find('\n', id) + 1;
  if (const int code = std::stoi(failure); code != 0)
    throw Error(static_cast<ExitCode>(code), failure.substr(id, message - 1 - id),
                failure.substr(message));
  text = comm::broadcast(world, text, 0);
  if (world.rank() != 0)
    run.config = config::load_text<RunConfig>(text, "resolved.yaml", &run.settings);
  return run;
}

std::string directory_of(const RunConfig& config) {
  return config.run_dir.empty() ? "runs/" + config.name : config.run_dir;
}

}  // namespace echelon::trainer
