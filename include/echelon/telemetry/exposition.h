#pragma once
// Prometheus text exposition format 0.0.4.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace echelon::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
  std::string suffix;  ///< "", "_bucket", "_sum", "_count"
  Labels labels;
  double value = 0;
};

struct Family {
  enum class Type { counter, gauge, histogram };
  std::string name;  ///< base unit in the name; counters end in _total
  Type type = Type::gauge;
  std::string help;
  std::vector<Sample> samples;
};

/// Throws Error(internal) for a bad or repeated name, label or series.
std::string exposition(const std::vector<Family>& families);

}  // namespace echelon::telemetry
