#pragma once
// Speed of a run: step times, throughput, share of the peak.
#include <cstddef>
#include <cstdint>
#include <deque>

namespace echelon::telemetry {

/// The last steps' durations. The median is robust against checkpoints and evaluations in between.
class ThroughputMeter {
 public:
  explicit ThroughputMeter(size_t window = 50) : window_(window) {}
  void add(int64_t tokens, double seconds);
  double last_seconds() const;    ///< 0 before the first step
  double median_seconds() const;  ///< of the window
  double last_tokens_per_second() const;
  double median_tokens_per_second() const;  ///< median of the steps' own rates
  double longest_seconds() const;           ///< of the window: for "does another step fit?"

 private:
  struct Step {
    int64_t tokens;
    double seconds;
  };
  size_t window_;
  std::deque<Step> steps_;
};

/// Model FLOPs utilization: flops the model needs for one step (no recomputation) over seconds
/// times the peak of all ranks. 0 when a divisor is 0. (Chowdhery et al., "PaLM", 2022, appendix
/// B.)
double model_flops_utilization(double flops_per_step, double seconds, double peak_flops);

}  // namespace echelon::telemetry
