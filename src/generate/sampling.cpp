#include "echelon/generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "echelon/base/philox.h"

namespace echelon::generate {

void GenerateConfig::fields(config::Fields& f) {
  f.on_resume(config::OnResume::may_change);
  f.text("prompt", prompt, "Text to continue; empty: start from the end-of-text token.");
  f.integer("max_new_tokens", max_new_tokens, {1, 1 << 20}, "Tokens to generate per sample.");
  f.real("temperature", temperature, {0, 1000},
         "Divides the logits; 0: always the likeliest token.");
  f.integer("top_k", top_k, {0}, "Only the k likeliest tokens; 0: all.");
  f.real("top_p", top_p, {0, 1},
         "Only the smallest set of tokens with this probability mass; 1: all.");
  f.real("repetition_penalty", repetition_penalty, {0.01, 100},
         "Makes tokens seen before less likely; 1: off.");
  f.integer("num_samples", num_samples, {1, 1 << 16}, "Continuations of the same prompt.");
  f.integer("seed", seed, {0}, "The same seed gives the same text.");
  f.text("stop", stop, "End a sample after this text.");
}

namespace {

/// Ids from largest to smallest logit, equal ones by id.
std::vector<size_t> ranked(const std::vector<double>& logits) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  return order;
}

/// Drops candidates once the mass strictly ahead of them reaches top_p.
void keep_mass(std::vector<double>& weights, const std::vector<size_t>& order, double top_p) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double ahead = 0;
  for (const size_t id : order) {
    const double mass = weights[id] / total;
    if (ahead >= top_p) weights[id] = 0;
    ahead += mass;
  }
}

}  // namespace

std::vector<double> filtered(std::span<const float> logits, const GenerateConfig& config,
                             std::span<const int32_t> history) {
  std::vector<double> z(logits.begin(), logits.end());
  if (config.repetition_penalty != 1.0)
    for (const int32_t id : std::set<int32_t>(history.begin(), history.end())) {
      double& value = z[static_cast<size_t>(id)];
      value = value > 0 ? value / config.repetition_penalty : value * config.repetition_penalty;
    }
  const auto largest = static_cast<size_t>(std::max_element(z.begin(), z.end()) - z.begin());
  std::vector<double> weights(z.size(), 0.0);
  if (config.temperature == 0) {
    weights[largest] = 1;
    return weights;
  }
  const double top = z[largest] / config.temperature;
  for (size_t i = 0; i < z.size(); ++i) weights[i] = std::exp(z[i] / config.temperature - top);
  const bool few = config.top_k > 0 && config.top_k < static_cast<int64_t>(z.size());
  if (few || config.top_p < 1) {
    const auto order = ranked(z);
    if (few)
      for (size_t rank = static_cast<size_t>(config.top_k); rank < order.size(); ++rank)
        weights[order[rank]] = 0;
    if (config.top_p < 1) keep_mass(weights, order, config.top_p);
    if (std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0; }))
      weights[order[0]] = 1;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& w : weights) w /= total;
  return weights;
}

int32_t draw(std::span<const double> probabilities, double u) {
  const double total = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  double sum = 0;
  int32_t last = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    sum += probabilities[i];
    if (sum > u * total) return static_cast<int32_t>(i);
    if (probabilities[i] > 0) last = static_cast<int32_t>(i);
  }
  return last;
}

int32_t sample(std::span<const float> logits, const GenerateConfig& config,
               std::span<const int32_t> history, int64_t sequence, int64_t position) {
  const Philox rng{static_cast<uint64_t>(config.seed), 1000 + static_cast<uint64_t>(sequence)};
  return draw(filtered(logits, config, history), rng.uniform(static_cast<uint64_t>(position)));
}

}  // namespace echelon::generate
