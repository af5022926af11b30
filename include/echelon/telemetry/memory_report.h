#pragma once
#include <string>
#include <vector>

#include "echelon/device/allocator.h"

namespace echelon::telemetry {

/// Where a rank's memory is: tensors by category against what the system says the process holds.
struct MemoryReport {
  MemoryUse tensors;
  size_t resident = 0, peak_resident = 0;  ///< of the process; ranks that are threads share it
  /// Resident bytes that no tensor accounts for (libraries, code, caches, free blocks); may be
  /// negative when tensors were reserved but never touched.
  int64_t unaccounted_peak() const {
    return static_cast<int64_t>(peak_resident) - static_cast<int64_t>(tensors.total_peak);
  }
};
MemoryReport memory_report(const Allocator& allocator);

struct MemoryRow {
  std::string what;
  int64_t now = 0, peak = 0;
};
/// One row per category, then the sum, the cached blocks, the resident set and the difference.
std::vector<MemoryRow> memory_rows(const MemoryReport& report);
/// The rows as an aligned table.
std::string to_text(const MemoryReport& report);

}  // namespace echelon::telemetry
