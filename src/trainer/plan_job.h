#pragma once
#include "echelon/planner/job.h"
#include "echelon/trainer/run_config.h"

namespace echelon::trainer {

/// What the planner needs of a configuration.
planner::Job plan_job(const RunConfig& config);

}  // namespace echelon::trainer
