#include <algorithm>
#include <vector>

#include "echelon/parallel/mesh.h"

namespace echelon::parallel {

void ParallelConfig::fields(config::Fields& f) {
  f.on_resume(config::OnResume::may_change);
  f.integer("tensor_model_parallel_size", tensor_model_parallel_size, {1, 1 << 20},
            "Ranks that split every layer's matrices.");
  f.integer("context_parallel_size", context_parallel_size, {1, 1 << 20},
            "Ranks that split every sequence.");
  f.integer("pipeline_model_parallel_size", pipeline_model_parallel_size, {1, 1 << 20},
            "Ranks that split the layers into stages.");
  f.boolean("sequence_parallel", sequence_parallel,
            "Split activations between tensor-parallel ranks outside the split layers.");
}

Degrees degrees_of(const ParallelConfig& config, int world) {
  const int64_t tp = config.tensor_model_parallel_size, cp = config.context_parallel_size;
  const int64_t pp = config.pipeline_model_parallel_size;
  const int64_t model = tp * cp * pp;
  if (model <= world && world % model == 0)
    return {static_cast<int>(tp), static_cast<int>(cp), static_cast<int>(world / model),
            static_cast<int>(pp)};
  const int64_t below = world / model * model, above = (world / model + 1) * model;
  std::vector<std::string> advice;
  if (below > 0) advice.push_back(fmt::format("{}", below));
  advice.push_back(fmt::format("{}", above));
  fail(ExitCode::config, "V01",
       "parallel: found tensor {} x context {} x pipeline {} = {} for {} ranks, wanted a divisor "
       "of the number of "
       "ranks (the quotient is the data-parallel size); nothing was started; start {} ranks or "
       "change the sizes",
       tp, cp, pp, model, world, fmt::join(advice, " or "));
}

}  // namespace echelon::parallel
