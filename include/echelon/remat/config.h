#pragma once
// `recompute:` of the configuration.
#include <cstdint>
#include <string>
#include <vector>

#include "echelon/config/fields.h"

namespace echelon::remat {

enum class Granularity { none, selective, full };
enum class Method { uniform, block };

/// What backward computes again instead of keeping it (Chen et al. 2016; Korthikanti et al. 2022).
struct RecomputeConfig {
  Granularity granularity = Granularity::none;
  Method method = Method::uniform;
  int64_t num_layers = 1;
  std::vector<std::string> modules = {"core_attn"};
  void fields(config::Fields& f);
};

/// Throws Error(config, "V33") for an unknown module.
void check(const RecomputeConfig& config);

}  // namespace echelon::remat
