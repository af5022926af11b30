#pragma once
// The whole configuration of a run: the field lists of its parts under their section names.
#include <string>
#include <vector>

#include "echelon/checkpoint/config.h"
#include "echelon/comm/communicator.h"
#include "echelon/config/load.h"
#include "echelon/data/config.h"
#include "echelon/nn/model_config.h"
#include "echelon/offload/config.h"
#include "echelon/optim/config.h"
#include "echelon/optim/schedule.h"
#include "echelon/parallel/mesh.h"
#include "echelon/pipeline/config.h"
#include "echelon/remat/config.h"
#include "echelon/sharding/config.h"
#include "echelon/telemetry/config.h"

namespace echelon::trainer {

/// `train:`
struct TrainConfig {
  int64_t micro_batch_size = 1;
  int64_t global_batch_size = 8;
  int64_t train_iters = 1000;
  std::vector<int64_t> rampup_batch_size;
  int64_t eval_interval = 0;
  int64_t eval_iters = 10;
  double exit_after = 0;  ///< seconds; 0: never
  int64_t max_consecutive_skips = 10;
  int64_t replica_check_interval = 0;  ///< updates; 0: never
  int64_t threads_per_rank = 0;        ///< 0: cores of the host / its ranks
  void fields(config::Fields& f);
};

enum class DeviceChoice { automatic, cpu, cuda };

struct RunConfig {
  std::string name = "run";
  std::string run_dir;
  int64_t seed = 1234;
  DeviceChoice device = DeviceChoice::automatic;
  double clip_grad = 1.0;
  nn::ModelConfig model;
  TrainConfig train;
  optim::OptimizerConfig optimizer;
  optim::SchedulerConfig scheduler;
  data::DataConfig data;
  parallel::ParallelConfig parallel;
  pipeline::PipelineConfig pipeline;
  sharding::ShardingConfig zero_optimization;
  remat::RecomputeConfig recompute;
  offload::OffloadConfig offload;
  checkpoint::CheckpointConfig checkpoint;
  telemetry::TelemetryConfig telemetry;
  void fields(config::Fields& f);
};

/// A configuration with the settings it came from (origins, digests, printing).
struct LoadedRun {
  RunConfig config;
  config::Settings settings;
};

/// Rank 0 reads the files, every rank gets the same resolved text. Collective. Throws
/// Error(config).
LoadedRun load_run(const config::Sources& sources, comm::Communicator& world);

/// Every rule across keys (methods: V01..V35, C5..C9) for `ranks` ranks; throws one Error(config)
/// that lists all violations with file and line. model.vocab_size may still be 0.
void check_run(const LoadedRun& run, int ranks);

/// Run directory: run_dir, or runs/<name>.
std::string directory_of(const RunConfig& config);

}  // namespace echelon::trainer
