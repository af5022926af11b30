#pragma once
// What was communicated: calls of the same kind and size are counted together, so that a log of any
// run fits on a page and can be compared with the analytic model line by line.
#include <compare>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "echelon/base/file.h"
#include "echelon/base/trace.h"

namespace echelon::telemetry {

struct CommKind {
  std::string phase, op, group;
  int group_size = 1;
  std::string dtype;
  int64_t elements = 0;
  auto operator<=>(const CommKind&) const = default;
};
struct CommTotals {
  int64_t calls = 0;
  int64_t bytes = 0;   ///< payload, as CommRecord counts it
  double seconds = 0;  ///< sum of the calls' durations
};
using CommSummary = std::map<CommKind, CommTotals>;

/// Thread-safe. With a path every call is also written as a JSON line.
class CommLog : public CommSink {
 public:
  explicit CommLog(const std::filesystem::path& every_call = {});
  ~CommLog() override;
  CommLog(const CommLog&) = delete;
  CommLog& operator=(const CommLog&) = delete;
  void record(const CommRecord& record) override;
  CommSummary summary() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  CommSummary totals_;
  std::unique_ptr<OutputFile> file_;
  std::string pending_;  ///< lines not yet written
};

/// Calls, bytes and seconds by phase, op and group as an aligned table (sizes added up).
std::string to_text(const CommSummary& summary);

/// Messages by size: bucket i counts payloads of [2^i, 2^(i+1)) bytes.
struct SizeBucket {
  int64_t least_bytes = 0;
  int64_t calls = 0, bytes = 0;
  double seconds = 0;
};
std::vector<SizeBucket> size_histogram(const CommSummary& summary);
std::string to_text(const std::vector<SizeBucket>& histogram);

}  // namespace echelon::telemetry
