#pragma once
// What a run shows and records: rank 0 writes, the others only take part in sums.
#include <filesystem>
#include <memory>
#include <string>

#include "echelon/telemetry/meters.h"
#include "echelon/telemetry/metrics.h"
#include "echelon/trainer/trainer.h"

namespace echelon::trainer {

class Journal {
 public:
  /// Takes the run directory (exit code 12 when another run holds it) and measures the machine's
  /// peak. Collective.
  Journal(const LoadedRun& run, comm::Communicator& world, int threads);
  ~Journal();

  std::filesystem::path checkpoint_folder() const;
  SavedFacts saved_facts() const;
  TraceSink* trace() const { return nullptr; }

  void start(Trainer& trainer, bool resumed);
  /// What happened in the step under way; flush() shows it.
  void step(const StepReport& report);
  void validation(int64_t step, const Validation& validation);
  void saved(const checkpoint::SaveReport& report);
  void flush();
  void note(const std::string& text);
  /// Writes the report. Collective.
  void finish(ExitCode code);

 private:
  bool writes() const { return world_.rank() == 0; }

  const LoadedRun& run_;
  comm::Communicator& world_;
  int threads_;
  std::filesystem::path folder_;
  double peak_flops_ = 0;  // of all ranks
  Trainer* trainer_ = nullptr;
  std::unique_ptr<telemetry::Metrics> metrics_;
  telemetry::ThroughputMeter meter_;
  telemetry::Record record_;  // of the step under way; shown with the next
  int64_t tokens_ = 0, skipped_ = 0;
};

}  // namespace echelon::trainer
