#pragma once
#include <memory>

#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

// Each returns null when the configuration switches the sink off.
#define X(name) std::unique_ptr<MetricSink> make_##name##_sink(const TelemetryConfig& config);
#include "src/telemetry/sinks.def"
#undef X

}  // namespace echelon::telemetry
