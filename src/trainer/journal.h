#pragma once
// What a run shows and records. Rank 0 writes; the others take part in the sums.
#include <filesystem>
#include <memory>
#include <string>

#include "echelon/telemetry/comm_log.h"
#include "echelon/telemetry/meters.h"
#include "echelon/telemetry/metrics.h"
#include "echelon/telemetry/run_directory.h"
#include "echelon/trainer/trainer.h"
#include "src/trainer/run_report.h"

namespace echelon::trainer {

class Journal {
 public:
  /// Takes the run directory (Error(run_dir_in_use) when another run holds it) and measures the
  /// machine's peak. Collective.
  Journal(const LoadedRun& run, comm::Communicator& world, int threads);
  ~Journal();

  /// The world to train on: logged when telemetry.communication_log asks for it.
  comm::Communicator& world() { return logged_ ? *logged_ : world_; }
  TraceSink* trace() const { return trace_.get(); }
  std::filesystem::path checkpoint_folder() const;
  SavedFacts saved_facts() const;

  void start(Trainer& trainer, bool resumed);
  /// What happened in the step under way; flush() shows it. Collective.
  void step(const StepReport& report);
  void validation(const Validation& validation);
  void saved(const checkpoint::SaveReport& report);
  void flush();
  void note(const std::string& text);
  /// Writes the report and the final status. Collective.
  void finish(ExitCode code);
  /// Records the error that ends the run; not collective.
  void failed(const Error& error) noexcept;
  /// Phase of the communication log: init, train, eval, checkpoint.
  void phase(const char* name) { *phase_ = name; }

 private:
  bool writes() const { return world_.rank() == 0; }
  void write_status(const std::string& state, int exit_code, const std::string& message);
  /// Memory of the fullest rank. Collective.
  RankMemory fullest();
  RunFacts facts(ExitCode code);

  const LoadedRun& run_;
  comm::Communicator& world_;
  int threads_;
  std::filesystem::path folder_;
  int64_t base_;           // resident bytes before the model was built
  double peak_flops_ = 0;  // of all ranks
  std::shared_ptr<std::string> phase_ = std::make_shared<std::string>("init");
  std::unique_ptr<telemetry::CommLog> comm_log_;
  std::unique_ptr<comm::Communicator> logged_;
  std::unique_ptr<TraceSink> trace_;
  std::unique_ptr<telemetry::RunDirectory> directory_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  Trainer* trainer_ = nullptr;
  telemetry::ThroughputMeter meter_;
  telemetry::Record record_;
  telemetry::RunStatus status_;
  int64_t tokens_ = 0, skipped_ = 0, flushed_ = 0;
  double validation_loss_ = 0;
};

}  // namespace echelon::trainer
