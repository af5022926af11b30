#include "src/trainer/plan_job.h"

#include <algorithm>

namespace echelon::trainer {

planner::Job plan_job(const RunConfig& c) {
  planner::Job job{.model = c.model,
                   .pipeline = c.pipeline,
                   .sharding = c.zero_optimization,
                   .optimizer = c.optimizer,
                   .sequence_parallel = c.parallel.sequence_parallel,
                   .micro_batch = c.train.micro_batch_size,
                   .global_batch = c.train.global_batch_size};
  const auto selected = [&](const char* module) {
    const auto& all = c.recompute.modules;
    return c.recompute.granularity == remat::Granularity::selective &&
           std::find(all.begin(), all.end(), module) != all.end();
  };
  job.recomputed_cores = selected("core_attn");
  job.recomputed_mlps = selected("mlp");
  if (c.recompute.granularity != remat::Granularity::full) return job;
  const bool uniform = c.recompute.method == remat::Method::uniform;
  job.recomputed_layers = uniform ? c.model.num_layers : c.recompute.num_layers;
  job.recomputed_together = uniform ? c.recompute.num_layers : 1;
  return job;
}

}  // namespace echelon::trainer
