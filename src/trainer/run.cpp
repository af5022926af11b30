#include "echelon/trainer/run.h"

#include <chrono>

#include "echelon/base/log.h"
#include "echelon/config/tools.h"
#include "echelon/trainer/host.h"
#include "echelon/trainer/trainer.h"
#include "src/trainer/journal.h"

namespace echelon::trainer {

namespace {

/// When a run validates, saves and stops; the same decisions on every rank.
class Loop {
 public:
  Loop(Trainer& trainer, Journal& journal, const SavedFacts& facts, comm::Communicator& world)
      : trainer_(trainer),
        journal_(journal),
        facts_(facts),
        world_(world),
        config_(trainer.config()) {
    validates_ =
        config_.train.eval_interval > 0 && data::has_split(config_.data, data::Split::valid);
    if (config_.train.eval_interval > 0 && !validates_)
      journal_.note(
          "no validation: data.split leaves no sequence for it; give it a larger share or "
          "data.valid_data_path");
  }

  ExitCode run() {
    while (trainer_.step_number() < config_.train.train_iters) {
      const StepReport report = trainer_.step();
      journal_.step(report);
      if (report.skipped) continue;  // shown with the next update
      if (validates_ && (due(config_.train.eval_interval) || last())) validate();
      const bool save_now =
          due(config_.checkpoint.save_interval) || (last() && config_.checkpoint.save_last);
      if (save_now) save();
      journal_.flush();
      if (report.stop != StopRequest::none || out_of_time()) return stop(report.stop, save_now);
    }
    return ExitCode::ok;
  }

 private:
  bool due(int64_t interval) const {
    return interval > 0 && trainer_.step_number() % interval == 0;
  }
  bool last() const { return trainer_.step_number() == config_.train.train_iters; }

  bool out_of_time() {
    if (config_.train.exit_after <= 0) return false;
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    const double over = passed.count() >= config_.train.exit_after ? 1 : 0;
    return comm::all_reduce(world_, std::vector<double>{over}, comm::ReduceOp::max)[0] > 0;
  }

  void validate() {
    journal_.phase("eval");
    journal_.validation(trainer_.validate(config_.train.eval_iters));
    journal_.phase("train");
  }

  void save() {
    journal_.phase("checkpoint");
    journal_.saved(trainer_.save(journal_.checkpoint_folder(), facts_));
    journal_.phase("train");
  }

  ExitCode stop(StopRequest request, bool saved) {
    if (last()) return ExitCode::ok;
    if (request == StopRequest::stop && !saved) {
      journal_.note(
          "stopped on request without saving: SIGTERM leaves no time; the last checkpoint counts");
      return ExitCode::stopped_save_failed;
    }
    try {
      if (!saved) save();
    } catch (const Error& error) {
      if (error.code() != ExitCode::storage) throw;
      journal_.note(error.what());
      return ExitCode::stopped_save_failed;
    }
    journal_.note(fmt::format("stopped after step {} with a checkpoint; the same command continues",
                              trainer_.step_number()));
    return ExitCode::stopped_saved;
  }

  Trainer& trainer_;
  Journal& journal_;
  const SavedFacts& facts_;
  comm::Communicator& world_;
  const RunConfig& config_;
  bool validates_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

ExitCode run(LoadedRun run, comm::Communicator& world, const StopSignals& signals) {
  check_run(run, world.size());
  settle_vocabulary(run.config, world);
  const int threads = settle_threads(run.config, world);
  Journal journal(run, world, threads);
  try {
    const SavedFacts facts = journal.saved_facts();
    Trainer trainer(run.config, journal.world(), {}, &signals, journal.trace());
    const bool resumed = trainer.resume(journal.checkpoint_folder(), facts);
    journal.start(trainer, resumed);
    journal.phase("train");
    const ExitCode code = Loop(trainer, journal, facts, world).run();
    journal.finish(code);
    return code;
  } catch (const Error& error) {
    journal.failed(error);
    throw;
  }
}

}  // namespace echelon::trainer
