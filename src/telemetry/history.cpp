#include "echelon/telemetry/history.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace echelon::telemetry {

History::History(const std::filesystem::path& metrics_jsonl) {
  std::ifstream in(metrics_jsonl, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || json.contains("event") || !json.contains("step")) continue;
    const auto& step = json["step"];
    if (!step.is_number()) continue;
    for (const auto& [key, value] : json.items())
      if (value.is_number() && std::isfinite(value.get<double>()))
        series_[key].push_back({step.get<double>(), value.get<double>()});
  }
}

const Series& History::of(const std::string& key) const {
  static const Series kNone;
  const auto it = series_.find(key);
  return it == series_.end() ? kNone : it->second;
}

Series thinned(const Series& series, size_t most) {
  if (series.size() <= most || most < 4) return series;
  const size_t buckets = (most - 2) / 2, inner = series.size() - 2;
  Series out{series.front()};
  for (size_t b = 0; b < buckets; ++b) {
    const auto from = series.begin() + static_cast<std::ptrdiff_t>(1 + b * inner / buckets);
    const auto to = series.begin() + static_cast<std::ptrdiff_t>(1 + (b + 1) * inner / buckets);
    auto [low, high] =
        std::minmax_element(from, to, [](const Point& p, const Point& q) { return p.y < q.y; });
    if (high < low) std::swap(low, high);
    out.push_back(*low);
    if (high != low) out.push_back(*high);
  }
  out.push_back(series.back());
  return out;
}

Series trend(const Series& series, size_t half_window, size_t most) {
  Series out;
  const size_t n = series.size(), count = std::min(n, most);
  std::vector<double> window;
  for (size_t k = 0; k < count; ++k) {
    const size_t i = count > 1 ? k * (n - 1) / (count - 1) : 0;
    const size_t from = i - std::min(half_window, i);
    // Near the beginning the window is narrow on both sides: there the values change fastest.
    const size_t to = std::min(n, i + std::min(half_window, i) + 1);
    window.clear();
    for (size_t j = from; j < to; ++j) window.push_back(series[j].y);
    std::sort(window.begin(), window.end());
    const size_t skip = window.size() / 4;
    double sum = 0;
    for (size_t j = skip; j < window.size() - skip; ++j) sum += window[j];
    out.push_back({series[i].x, sum / static_cast<double>(window.size() - 2 * skip)});
  }
  return out;
}

double mean_of_last(const Series& series, size_t count) {
  if (series.empty()) return 0;
  double sum = 0;
  count = std::min(count, series.size());
  for (size_t i = series.size() - count; i < series.size(); ++i) sum += series[i].y;
  return sum / static_cast<double>(count);
}

double median_of(const Series& series) {
  if (series.empty()) return 0;
  std::vector<double> values;
  for (const Point& p : series) values.push_back(p.y);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double nice_step(double range, int most) {
  if (!(range > 0) || most < 1) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(range / most)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (range / (factor * power) <= most * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

}  // namespace echelon::telemetry
