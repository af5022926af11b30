#pragma once
#include <string>
#include <vector>

#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

/// RFC 4180 quoting where needed.
std::string csv_field(const std::string& text);
std::string csv_line(const std::vector<std::string>& fields);
/// Fields in the order of `columns`; absent ones are empty.
std::string csv_row(const std::vector<std::string>& columns, const Record& record);

}  // namespace echelon::telemetry
