#include "echelon/telemetry/memory_report.h"

#include <fmt/format.h>

#include "echelon/base/text.h"

namespace echelon::telemetry {

namespace {

std::string signed_bytes(int64_t n) {
  std::string out = n < 0 ? "-" : "";
  out += text::bytes(static_cast<double>(n < 0 ? -n : n));
  return out;
}

}  // namespace

MemoryReport memory_report(const Allocator& allocator) {
  return {allocator.use(), resident_bytes(), peak_resident_bytes()};
}

std::vector<MemoryRow> memory_rows(const MemoryReport& report) {
  std::vector<MemoryRow> rows;
  const auto add = [&](std::string what, size_t now, size_t peak) {
    rows.push_back({std::move(what), static_cast<int64_t>(now), static_cast<int64_t>(peak)});
  };
  const MemoryUse& use = report.tensors;
  for (size_t i = 0; i < kMemoryCategories; ++i)
    add(std::string(name_of(static_cast<MemoryCategory>(i))), use.now[i], use.peak[i]);
  add("all tensors", use.total_now, use.total_peak);
  add("free blocks kept", use.cached, use.cached);
  add("resident set", report.resident, report.peak_resident);
  rows.push_back({"resident without tensor",
                  static_cast<int64_t>(report.resident) - static_cast<int64_t>(use.total_now),
                  report.unaccounted_peak()});
  return rows;
}

std::string to_text(const MemoryReport& report) {
  std::string out = fmt::format("{:<24}{:>12}{:>12}\n", "memory", "now", "peak");
  for (const MemoryRow& row : memory_rows(report))
    out += fmt::format("{:<24}{:>12}{:>12}\n", row.what, signed_bytes(row.now),
                       signed_bytes(row.peak));
  return out;
}

}  // namespace echelon::telemetry
