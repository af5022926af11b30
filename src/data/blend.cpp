#include <algorithm>
#include <cmath>
#include <numeric>

#include "echelon/base/error.h"
#include "echelon/data/gpt_index.h"

namespace echelon::data {

namespace {

constexpr size_t kMostSets = 128;  // numpy's summation changes its order above

double numpy_sum(std::span<const double> a) {
  if (a.size() < 8) return std::accumulate(a.begin(), a.end(), 0.0);
  std::array<double, 8> r;
  std::copy_n(a.begin(), 8, r.begin());
  size_t i = 8;
  for (; i + 8 <= a.size(); i += 8)
    for (size_t k = 0; k < 8; ++k) r[k] += a[i + k];
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < a.size(); ++i) sum += a[i];
  return sum;
}

/// How far a set lags behind its share. Rounded after the product, as upstream's loop
/// does: a fused multiply-add picks other samples.
double lag(double weight, double x, int64_t taken) {
  const volatile double wanted = weight * x;
  return wanted - static_cast<double>(taken);
}

}  // namespace

std::vector<double> normalized_weights(std::span<const double> weights) {
  if (weights.empty() || weights.size() > kMostSets)
    fail(ExitCode::config, "D11",
         "data.data_path: found {} data sets in a blend, wanted 1 to {}; the run does not start",
         weights.size(), kMostSets);
  const double sum = numpy_sum(weights);
  std::vector<double> out(weights.begin(), weights.end());
  for (double& w : out) w /= sum;
  return out;
}

Blend blend(std::span<const double> weights, int64_t size) {
  const auto w = normalized_weights(weights);
  std::vector<int64_t> taken(w.size());
  Blend out;
  out.dataset.reserve(static_cast<size_t>(size));
  out.sample.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double x = std::max(static_cast<double>(i), 1.0);
    size_t best = 0;
    double error = lag(w[0], x, taken[0]);
    for (size_t d = 1; d < w.size(); ++d)
      if (const double e = lag(w[d], x, taken[d]); e > error) best = d, error = e;
    out.dataset.push_back(static_cast<int16_t>(best));
    out.sample.push_back(taken[best]++);
  }
  return out;
}

Blend blend_exhaustive(std::span<const int64_t> sizes) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  std::vector<int64_t> taken(sizes.size());
  Blend out;
  for (int64_t i = 0; i < total; ++i) {
    const double x = std::max(static_cast<double>(i), 1.0);
    size_t best = sizes.size();
    double error = 0;
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (taken[d] == sizes[d]) continue;
      const double w = static_cast<double>(sizes[d]) / static_cast<double>(total);
      const double e = lag(w, x, taken[d]);
      if (best == sizes.size() || e > error) best = d, error = e;
    }
    out.dataset.push_back(static_cast<int16_t>(best));
    out.sample.push_back(taken[best]++);
  }
  return out;
}

std::pair<int64_t, int64_t> blend_share(double normalized_weight, int64_t size) {
  const double share = std::ceil(static_cast<double>(size) * normalized_weight);
  return {static_cast<int64_t>(share), static_cast<int64_t>(std::ceil(share * (1 + 0.005)))};
}

}  // namespace echelon::data
