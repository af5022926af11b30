#pragma once
// Timeline of one rank as Chrome trace / Perfetto JSON: drop the file on ui.perfetto.dev.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "echelon/base/trace.h"

namespace echelon::telemetry {

/// Records scopes between start and stop; each thread has a track of its own, so that slices of one
/// track nest. Thread-safe. Scopes that are open at start or at stop are left out.
class Timeline : public TraceSink {
 public:
  explicit Timeline(int rank, size_t most_slices = 400'000);
  void begin(std::string_view name, std::string_view category, int64_t payload) override;
  void end() override;

  void start();  ///< recording is off at first
  void stop();
  size_t slices() const;
  /// Seconds added to this rank's clock so that the ranks' timelines agree; stated in the file.
  void set_clock_offset(double seconds) { offset_ = seconds; }
  /// The whole document. Durations and times in microseconds from the first start.
  std::string json() const;
  void write(const std::filesystem::path& path) const;  ///< Throws Error(storage).

 private:
  struct Slice {
    std::string name, category;
    int64_t payload = 0;
    int track = 0;
    int64_t begin_ns = 0, duration_ns = 0;
  };
  struct Track {
    int number = 0;
    std::vector<Slice> open;
    size_t ignored = 0;  ///< open scopes that began while recording was off
  };
  int64_t now() const;
  Track& here();

  int rank_;
  size_t most_;
  double offset_ = 0;
  mutable std::mutex mutex_;
  bool recording_ = false;
  size_t dropped_ = 0;
  std::chrono::steady_clock::time_point origin_ = std::chrono::steady_clock::now();
  std::map<std::thread::id, Track> tracks_;
  std::vector<Slice> done_;
};

}  // namespace echelon::telemetry
