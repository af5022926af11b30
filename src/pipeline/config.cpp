#include "echelon/pipeline/config.h"

#include <numeric>

#include "echelon/base/error.h"
#include "echelon/pipeline/schedule.h"

namespace echelon::pipeline {

void PipelineConfig::fields(config::Fields& f) {
  const auto names = schedule_names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  f.on_resume(config::OnResume::may_change);
  int index = 0;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == pipeline_schedule) index = static_cast<int>(i);
  f.one_of("pipeline_schedule", index, views,
           "Order of forwards and backwards on pipeline ranks; 'echelon plan' draws it.");
  pipeline_schedule = names[static_cast<size_t>(index)];
  f.integer("virtual_pipeline_model_parallel_size", virtual_pipeline_model_parallel_size, {1, 64},
            "Model chunks per pipeline rank (interleaved schedule).");
  f.integers("pipeline_layout", pipeline_layout, {0, 1 << 20},
             "Layers of each virtual stage in order, for an uneven split; empty: even.");
}

std::vector<nn::StageRange> stage_ranges(const PipelineConfig& config, int64_t layers, int ranks) {
  if (ranks == 1 && config.virtual_pipeline_model_parallel_size > 1)
    fail(
        ExitCode::config, "V03",
        "parallel.virtual_pipeline_model_parallel_size: found {} with one pipeline rank, wanted 1; "
        "nothing was started; use 1, or raise pipeline_model_parallel_size",
        config.virtual_pipeline_model_parallel_size);
  const int64_t stages = ranks * config.virtual_pipeline_model_parallel_size;
  std::vector<int64_t> counts = config.pipeline_layout;
  if (counts.empty()) {
    if (layers % stages != 0)
      fail(ExitCode::config, "V03",
           "model.num_layers: found {} for {} stages ({} pipeline ranks x {} chunks), wanted a "
           "multiple of {}; nothing was started; use {} or {} layers, or parallel.pipeline_layout",
           layers, stages, ranks, config.virtual_pipeline_model_parallel_size, stages,
           std::max<int64_t>(1, layers / stages) * stages, (layers / stages + 1) * stages);
    counts.assign(static_cast<size_t>(stages), layers / stages);
  }
  const int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (static_cast<int64_t>(counts.size()) != stages || sum != layers)
    fail(
        ExitCode::config, "V03",
        "parallel.pipeline_layout: found {} stages with {} layers in all, wanted {} stages with {} "
        "layers; nothing was started",
        counts.size(), sum, stages, layers);
  std::vector<nn::StageRange> ranges;
  int64_t first = 0;
  for (int64_t s = 0; s < stages; ++s) {
    const int64_t count = counts[static_cast<size_t>(s)];
    ranges.push_back({first, first + count, s == 0, s + 1 == stages});
    first += count;
  }
  return ranges;
}

}  // namespace echelon::pipeline
