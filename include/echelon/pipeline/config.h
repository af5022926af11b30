#pragma once
#include <string>
#include <vector>

#include "echelon/config/fields.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/pipeline/action.h"

namespace echelon::pipeline {

/// The pipeline keys of `parallel:`.
struct PipelineConfig {
  std::string pipeline_schedule = "1f1b";
  int64_t virtual_pipeline_model_parallel_size = 1;
  std::vector<int64_t> pipeline_layout;  ///< layers per virtual stage; empty: even
  void fields(config::Fields& f);
};

/// Layers of every virtual stage: `pipeline_layout`, or an even split. Throws Error(config, "V03")
/// with the numbers and the nearest choices when the layers do not divide or the layout does not
/// fit.
std::vector<nn::StageRange> stage_ranges(const PipelineConfig& config, int64_t layers, int ranks);

}  // namespace echelon::pipeline
