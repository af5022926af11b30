#include "echelon/telemetry/comm_log.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "echelon/base/text.h"

namespace echelon::telemetry {

namespace {

constexpr size_t kWriteAfter = size_t{64} << 10;

std::string line_of(const CommRecord& r) {
  nlohmann::ordered_json line = {{"phase", r.phase}, {"op", r.op},
                                 {"group", r.group}, {"group_size", r.group_size},
                                 {"dtype", r.dtype}, {"elements", r.elements},
                                 {"bytes", r.bytes}, {"seconds", r.seconds}};
  if (r.peer >= 0) line["peer"] = r.peer;
  return line.dump() + "\n";
}

void add(CommTotals& to, const CommTotals& from) {
  to.calls += from.calls;
  to.bytes += from.bytes;
  to.seconds += from.seconds;
}

std::string rate(int64_t bytes, double seconds) {
  return seconds > 0 ? text::bytes(static_cast<double>(bytes) / seconds) + "/s" : "-";
}

}  // namespace

CommLog::CommLog(const std::filesystem::path& every_call) {
  if (!every_call.empty())
    file_ = std::make_unique<OutputFile>(every_call, OutputFile::Mode::append);
}

void CommLog::record(const CommRecord& r) {
  const std::lock_guard lock(mutex_);
  add(totals_[{r.phase, r.op, r.group, r.group_size, r.dtype, r.elements}],
      {1, r.bytes, r.seconds});
  if (!file_) return;
  pending_ += line_of(r);
  if (pending_.size() < kWriteAfter) return;
  file_->write(pending_);
  pending_.clear();
}

CommSummary CommLog::summary() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void CommLog::clear() {
  const std::lock_guard lock(mutex_);
  totals_.clear();
}

CommLog::~CommLog() {
  try {
    if (file_ && !pending_.empty()) file_->write(pending_);
  } catch (const Error&) {
    // A log that cannot be finished must not end the run.
  }
}

std::string to_text(const CommSummary& summary) {
  std::map<CommKind, CommTotals> lines;
  for (const auto& [kind, totals] : summary)
    add(lines[{kind.phase, kind.op, kind.group, kind.group_size, "", 0}], totals);
  std::string out =
      fmt::format("{:<12}{:<16}{:<12}{:>6}{:>10}{:>12}{:>10}{:>14}\n", "phase", "call", "group",
                  "ranks", "calls", "payload", "time", "payload/time");
  for (const auto& [kind, t] : lines)
    out +=
        fmt::format("{:<12}{:<16}{:<12}{:>6}{:>10}{:>12}{:>10}{:>14}\n", kind.phase, kind.op,
                    kind.group, kind.group_size, t.calls, text::bytes(static_cast<double>(t.bytes)),
                    text::duration(t.seconds), rate(t.bytes, t.seconds));
  return out;
}

std::vector<SizeBucket> size_histogram(const CommSummary& summary) {
  std::map<int, SizeBucket> buckets;
  for (const auto& [kind, t] : summary) {
    if (t.calls == 0) continue;
    const auto each = static_cast<uint64_t>(std::max<int64_t>(t.bytes / t.calls, 1));
    const int power = std::bit_width(each) - 1;
    SizeBucket& b = buckets[power];
    b.least_bytes = int64_t{1} << power;
    b.calls += t.calls;
    b.bytes += t.bytes;
    b.seconds += t.seconds;
  }
  std::vector<SizeBucket> out;
  for (const auto& [power, bucket] : buckets) out.push_back(bucket);
  return out;
}

std::string to_text(const std::vector<SizeBucket>& histogram) {
  int64_t most = 1;
  for (const SizeBucket& b : histogram) most = std::max(most, b.calls);
  std::string out =
      fmt::format("{:>12}{:>10}{:>12}{:>14}\n", "message from", "calls", "payload", "payload/time");
  for (const SizeBucket& b : histogram)
    out += fmt::format(
        "{:>12}{:>10}{:>12}{:>14}  {}\n", text::bytes(static_cast<double>(b.least_bytes)), b.calls,
        text::bytes(static_cast<double>(b.bytes)), rate(b.bytes, b.seconds),
        std::string(static_cast<size_t>(std::max<int64_t>(1, 30 * b.calls / most)), '#'));
  return out;
}

}  // namespace echelon::telemetry
