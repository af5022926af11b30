#pragma once
#include <functional>
#include <optional>
#include <string>

#include "echelon/telemetry/meters.h"
#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

/// Where progress is shown; replaced in tests.
struct Console {
  bool terminal = false;
  std::function<int()> width = [] { return 80; };
  std::function<void(std::string_view)> write;
  std::function<double()> seconds;  ///< monotonic
};
Console standard_error_console();

/// "step 120/1000  loss 3.214  val 3.301  lr 3.0e-04  52.3K tokens/s  MFU 41%  2m 05s left".
std::string progress_line(const Record& record, int64_t total_steps, double seconds_left);

/// On a terminal one line redrawn in place: it ends with a carriage return, so that a log line
/// simply overwrites it, and the next step draws it again below. Elsewhere plain lines, every
/// `interval` steps or every few seconds. Steps with a validation loss always get a line.
class ConsoleSink : public MetricSink {
 public:
  ConsoleSink(Console console, int64_t interval)
      : console_(std::move(console)), interval_(interval) {}
  void start(const RunStart& run) override;
  void step(const Record& record) override;
  void finish(const RunEnd& end) override;

 private:
  void permanent(const std::string& line);
  bool due(int64_t step, double now) const;

  Console console_;
  int64_t interval_;
  RunStart run_;
  ThroughputMeter meter_;
  double drawn_ = -1e9;    ///< when the live line was last drawn
  double printed_ = -1e9;  ///< when a permanent line was last printed
  int64_t last_printed_ = -1;
  std::optional<Record> last_;
};

}  // namespace echelon::telemetry
