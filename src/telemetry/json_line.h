#pragma once
#include <filesystem>
#include <string>

#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

/// One object on one line, ASCII; non-finite numbers are null and named under "nonfinite".
std::string json_line(const Record& record);
/// After a restart: drops a torn last line and everything from the first line with a later step.
void cut_lines(const std::filesystem::path& path, int64_t step);

}  // namespace echelon::telemetry
