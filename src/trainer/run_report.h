#pragma once
#include <filesystem>
#include <string>

#include "echelon/telemetry/memory_report.h"
#include "echelon/telemetry/meters.h"
#include "echelon/trainer/trainer.h"

namespace echelon::trainer {

/// Memory of one rank, in bytes.
struct RankMemory {
  int rank = 0;
  int64_t resident = 0, peak_resident = 0;
  int64_t tensors = 0;  ///< most that tensors held at one time
  int64_t base = 0;     ///< resident before the model was built: code, libraries, MPI
};

/// What the report at the end of a run is made of.
struct RunFacts {
  const LoadedRun* run = nullptr;
  Trainer* trainer = nullptr;
  const telemetry::ThroughputMeter* meter = nullptr;
  std::filesystem::path folder;
  std::string state;
  int ranks = 1, threads = 1;
  double peak_flops = 0;
  RankMemory fullest;
};

/// Writes report.html and loss.svg from metrics.jsonl. Throws Error(storage).
void write_run_report(const RunFacts& facts);

/// "tensors 1.2 GB (weights 0.5 GB, ...), resident 1.3 GB at most".
std::string memory_line(const RunFacts& facts);

}  // namespace echelon::trainer
