#pragma once
#include <memory>

#include "echelon/base/trace.h"

namespace echelon::telemetry {

/// Scopes as ranges of NVTX domain "echelon", category and payload kept. Null when Echelon was
/// built without the NVTX header. Without a profiler attached a range costs nanoseconds.
std::unique_ptr<TraceSink> make_nvtx_trace();

}  // namespace echelon::telemetry
