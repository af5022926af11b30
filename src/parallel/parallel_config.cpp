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

namespace {

/// Values of one size nearest to `value` for which `rest * value` divides `world`, the smaller
/// first.
std::vector<int64_t> nearest_sizes(int64_t value, int64_t rest, int64_t world) {
  std::vector<int64_t> found;
  for (int64_t v = std::min(value - 1, world); v >= 1 && found.empty(); --v)
    if (world % (rest * v) == 0) found.push_back(v);
  for (int64_t v = value + 1; v * rest <= world; ++v)
    if (world % (rest * v) == 0) {
      found.push_back(v);
      break;
    }
  return found;
}

/// What would fit: other rank counts, or one other size with the rest kept.
std::string advice(const ParallelConfig& config, int64_t model, int64_t world) {
  const int64_t below = world / model * model, above = below + model;
  std::vector<std::string> choices = {below > 0 ? fmt::format("start {} or {} ranks", below, above)
                                                : fmt::format("start {} ranks", above)};
  const auto offer = [&](const char* key, int64_t value) {
    const auto sizes = nearest_sizes(value, model / value, world);
    if (!sizes.empty())
      choices.push_back(fmt::format("set {} to {}", key, fmt::join(sizes, " or ")));
  };
  offer("tensor_model_parallel_size", config.tensor_model_parallel_size);
  offer("context_parallel_size", config.context_parallel_size);
  offer("pipeline_model_parallel_size", config.pipeline_model_parallel_size);
  return fmt::format("{}", fmt::join(choices, ", or "));
}

}  // namespace

Degrees degrees_of(const ParallelConfig& config, int world) {
  const int64_t tp = config.tensor_model_parallel_size, cp = config.context_parallel_size;
  const int64_t pp = config.pipeline_model_parallel_size;
  ECH_CHECK(tp > 0 && cp > 0 && pp > 0 && world > 0, "sizes {} {} {} for {} ranks", tp, cp, pp,
            world);
  const int64_t model = tp * cp * pp;
  if (world % model == 0)
    return {static_cast<int>(tp), static_cast<int>(cp), static_cast<int>(world / model),
            static_cast<int>(pp)};
  fail(ExitCode::config, "V01",
       "parallel: found tensor {} x context {} x pipeline {} = {}, which does not divide {} ranks, "
       "wanted tensor x context x pipeline x data = {}; nothing was started; {}",
       tp, cp, pp, model, world, world, advice(config, model, world));
}

}  // namespace echelon::parallel
