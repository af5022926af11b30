#pragma once
// What a run reports while it trains, and who hears it. The trainer fills one record per step;
// sinks (src/telemetry/sinks.def) turn records into a progress line, JSON lines, CSV, TensorBoard
// events or a Prometheus text file.
//
// Keys with a meaning of their own (all optional but step; units in the name or here):
//   step               completed optimizer steps, from 1
//   loss, val_loss     mean over counted tokens, natural log
//   lr, grad_norm      of this step; the norm before clipping
//   tokens             trained on since step 0
//   step_seconds, tokens_per_second, mfu (share of peak, 0 to 1)
//   memory_bytes, peak_memory_bytes     resident set of the fullest rank
//   skipped_steps      so far (loss scaling)
//   checkpoint_seconds, checkpoint_step of the last save
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "echelon/telemetry/config.h"

namespace echelon::telemetry {

using Value = std::variant<int64_t, double, std::string>;

/// Ordered key-value pairs of one step; keys have no '/'.
class Record {
 public:
  Record& set(std::string_view key, Value value);  ///< replaces an earlier value
  const Value* find(std::string_view key) const;
  /// Number under `key`, or NaN.
  double number(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const std::vector<std::pair<std::string, Value>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, Value>> items_;
};

using Facts = std::vector<std::pair<std::string, std::string>>;

struct RunStart {
  std::string run;               ///< name, used in file names and labels
  std::filesystem::path folder;  ///< run directory
  int attempt = 1;               ///< counts starts of this run
  int64_t first_step = 0;        ///< completed before this attempt (0: fresh)
  int64_t total_steps = 0;
  std::string config;     ///< resolved configuration, YAML text
  Facts hyperparameters;  ///< shown beside runs in TensorBoard
};

struct RunEnd {
  bool success = true;
  int64_t step = 0;
};

/// Hears one run on rank 0. `step` is called with growing steps. Errors: Error(storage).
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual void start(const RunStart& run) = 0;
  virtual void step(const Record& record) = 0;
  virtual void finish(const RunEnd& end) = 0;
};

/// All sinks the configuration asks for. A sink that fails is named in one warning and left out
/// from then on: metrics never end a run.
class Metrics {
 public:
  explicit Metrics(const TelemetryConfig& config);
  explicit Metrics(std::vector<std::pair<std::string, std::unique_ptr<MetricSink>>> sinks)
      : sinks_(std::move(sinks)) {}
  void start(const RunStart& run);
  void step(const Record& record);
  void finish(const RunEnd& end);
  size_t active() const { return sinks_.size(); }

 private:
  template <class F>
  void each(F&& call);
  std::vector<std::pair<std::string, std::unique_ptr<MetricSink>>> sinks_;
};

/// Names in the registry.
std::vector<std::string> sink_names();

}  // namespace echelon::telemetry
