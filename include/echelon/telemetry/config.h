#pragma once
#include <string>

#include "echelon/config/fields.h"

namespace echelon::telemetry {

/// `telemetry:` of the configuration.
struct TelemetryConfig {
  bool progress = true;
  int64_t log_interval = 0;
  bool jsonl = true;
  bool csv = true;
  bool tensorboard = true;
  bool prometheus = false;
  std::string prometheus_folder;
  bool report = true;
  bool communication_log = false;
  bool nvtx = false;
  void fields(config::Fields& f);
};

}  // namespace echelon::telemetry
