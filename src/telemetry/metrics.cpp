#include "echelon/telemetry/metrics.h"

#include <algorithm>
#include <limits>

#include "echelon/base/error.h"
#include "echelon/base/log.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

Record& Record::set(std::string_view key, Value value) {
  for (auto& [name, old] : items_)
    if (name == key) {
      old = std::move(value);
      return *this;
    }
  items_.emplace_back(key, std::move(value));
  return *this;
}

const Value* Record::find(std::string_view key) const {
  const auto it = std::find_if(items_.begin(), items_.end(),
                               [&](const auto& item) { return item.first == key; });
  return it == items_.end() ? nullptr : &it->second;
}

double Record::number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::numeric_limits<double>::quiet_NaN();
  if (const auto* whole = std::get_if<int64_t>(value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(value)) return *real;
  return std::numeric_limits<double>::quiet_NaN();
}

Metrics::Metrics(const TelemetryConfig& config) {
#define X(name) \
  if (auto sink = make_##name##_sink(config)) sinks_.emplace_back(#name, std::move(sink));
#include "src/telemetry/sinks.def"
#undef X
}

template <class F>
void Metrics::each(F&& call) {
  std::erase_if(sinks_, [&](auto& sink) {
    try {
      call(*sink.second);
      return false;
    } catch (const std::exception& e) {
      log::warn("metrics: {}: {}; training goes on without it", sink.first, e.what());
      return true;
    }
  });
}

void Metrics::start(const RunStart& run) {
  each([&](MetricSink& sink) { sink.start(run); });
}
void Metrics::step(const Record& record) {
  each([&](MetricSink& sink) { sink.step(record); });
}
void Metrics::finish(const RunEnd& end) {
  each([&](MetricSink& sink) { sink.finish(end); });
}

std::vector<std::string> sink_names() {
  return {
#define X(name) #name,
#include "src/telemetry/sinks.def"
#undef X
  };
}

}  // namespace echelon::telemetry
