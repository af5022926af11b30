#include "echelon/telemetry/meters.h"

#include <algorithm>
#include <vector>

namespace echelon::telemetry {

namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

}  // namespace

void ThroughputMeter::add(int64_t tokens, double seconds) {
  steps_.push_back({tokens, seconds});
  if (steps_.size() > window_) steps_.pop_front();
}

double ThroughputMeter::last_seconds() const { return steps_.empty() ? 0 : steps_.back().seconds; }

double ThroughputMeter::median_seconds() const {
  std::vector<double> values;
  for (const Step& s : steps_) values.push_back(s.seconds);
  return median(std::move(values));
}

double ThroughputMeter::last_tokens_per_second() const {
  return steps_.empty() ? 0 : rate(steps_.back().tokens, steps_.back().seconds);
}

double ThroughputMeter::median_tokens_per_second() const {
  std::vector<double> values;
  for (const Step& s : steps_) values.push_back(rate(s.tokens, s.seconds));
  return median(std::move(values));
}

double ThroughputMeter::longest_seconds() const {
  double longest = 0;
  for (const Step& s : steps_) longest = std::max(longest, s.seconds);
  return longest;
}

double model_flops_utilization(double flops_per_step, double seconds, double peak_flops) {
  return seconds > 0 && peak_flops > 0 ? flops_per_step / seconds / peak_flops : 0;
}

}  // namespace echelon::telemetry
