#include "echelon/remat/config.h"

#include <array>

#include "echelon/base/error.h"

namespace echelon::remat {

void RecomputeConfig::fields(config::Fields& f) {
  constexpr std::array<std::string_view, 3> kGranularities = {"none", "selective", "full"};
  constexpr std::array<std::string_view, 2> kMethods = {"uniform", "block"};
  f.on_resume(config::OnResume::may_change);
  f.choice("granularity", granularity, kGranularities,
           "What backward computes again: nothing, the `modules` of every layer, whole layers.");
  f.choice("method", method, kMethods,
           "full: uniform keeps the input of every `num_layers` layers, block recomputes the first "
           "`num_layers` layers of a stage one by one and keeps the rest.");
  f.integer("num_layers", num_layers, {1, 1 << 20}, "See method.");
  f.texts("modules", modules,
          "selective: core_attn (between the attention projections), mlp (the feed-forward).");
  f.on_resume(config::OnResume::must_match);
}

void check(const RecomputeConfig& config) {
  for (const std::string& module : config.modules)
    if (module != "core_attn" && module != "mlp")
      fail(ExitCode::config, "V33",
           "recompute.modules: found {}, wanted core_attn or mlp; nothing was started; use "
           "modules: [core_attn, mlp]",
           module);
}

}  // namespace echelon::remat
