#pragma once
#include <string>

#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

/// Shortest text that reads back as the same double, with '.' whatever the locale; no
/// exponent from 1e-4 to 1e15; "nan", "inf", "-inf".
std::string number_text(double value);
/// number_text for numbers, the text itself otherwise.
std::string value_text(const Value& value);

}  // namespace echelon::telemetry
