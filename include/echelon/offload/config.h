#pragma once
// `offload:` of the configuration.
#include <cstdint>
#include <string>

#include "echelon/config/fields.h"

namespace echelon::offload {

/// Where stashed activations wait for their backward.
enum class Place { none, memory, file };

struct OffloadConfig {
  Place activations = Place::none;
  std::string path;
  int64_t min_bytes = 64 << 10;
  void fields(config::Fields& f);
};

/// Throws Error(config, "V29") for files without a path.
void check(const OffloadConfig& config);

}  // namespace echelon::offload
