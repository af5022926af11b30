#pragma once
// The numbers of a run, read back from metrics.jsonl, for charts and summaries.
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace echelon::telemetry {

struct Point {
  double x = 0, y = 0;
};
using Series = std::vector<Point>;

/// Every numeric key against the step; non-finite values are left out.
class History {
 public:
  History() = default;
  /// Unreadable lines are skipped: a report must come out of what is there. A missing file is
  /// empty.
  explicit History(const std::filesystem::path& metrics_jsonl);
  const Series& of(const std::string& key) const;  ///< empty when absent
  void add(const std::string& key, Point point) { series_[key].push_back(point); }

 private:
  std::map<std::string, Series> series_;
};

/// At most `most` points: first, last, and the smallest and largest of every bucket of neighbours,
/// so that spikes stay visible. Order is kept.
Series thinned(const Series& series, size_t most = 2000);
/// At most `most` points of the course behind the noise: the mean of the middle half of the values
/// in a centred window (no lag, untouched by single spikes).
Series trend(const Series& series, size_t half_window, size_t most = 1000);
double mean_of_last(const Series& series, size_t count);
double median_of(const Series& series);
/// 1, 2 or 5 times a power of ten, so that `range` holds at most `most` steps of it.
double nice_step(double range, int most);

}  // namespace echelon::telemetry
