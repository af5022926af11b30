#pragma once
#include "echelon/trainer/run_config.h"
#include "echelon/trainer/signals.h"

namespace echelon::trainer {

/// A whole training run on the ranks of `world`: resume, steps, validation, saving, metrics,
/// report. Collective. Returns ok, stopped_saved or stopped_save_failed; throws Error for the rest.
ExitCode run(LoadedRun run, comm::Communicator& world, const StopSignals& signals);

}  // namespace echelon::trainer
