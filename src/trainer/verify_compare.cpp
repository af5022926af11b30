// How far a recording is from another one.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "src/trainer/verify.h"

namespace echelon::trainer {

namespace {

double largest(const std::vector<float>& values) {
  double most = 0;
  for (const float v : values) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

/// NaN counts as infinitely far.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= most)) most = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }
  return most;
}

double ratio(double difference, double scale) {
  if (difference == 0) return 0;
  return scale > 0 ? difference / scale : std::numeric_limits<double>::infinity();
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return ratio(std::sqrt(difference), std::sqrt(size));
}

/// The loss does not change when all scores of a row do, so the gradient of a key bias is rounding
/// around zero; its unit is that of the value bias beside it.
std::string unit_of(const std::string& name) {
  constexpr std::string_view kKeyBias = ".k.bias";
  if (!name.ends_with(kKeyBias)) return "";
  return name.substr(0, name.size() - kKeyBias.size()) + ".v.bias";
}

TensorDifference difference_of(const std::string& name, const RecordedTensor& is,
                               const Recording& truth, const Tolerance& limits) {
  const RecordedTensor& wanted = truth.tensors.at(name);
  const std::string unit = unit_of(name);
  TensorDifference d{.name = name, .wrong = is.gradients.size() != wanted.gradients.size()};
  for (size_t k = 0; k < std::min(is.gradients.size(), wanted.gradients.size()); ++k) {
    double scale = largest(wanted.gradients[k]);
    if (const auto other = truth.tensors.find(unit); other != truth.tensors.end())
      scale = std::max(scale, largest(other->second.gradients[k]));
    double& worst = k == 0 ? d.gradient : d.later;
    worst = std::max(worst, ratio(largest_difference(is.gradients[k], wanted.gradients[k]), scale));
  }
  d.update = unit.empty() ? distance(is.update, wanted.update) : 0;
  d.wrong = d.wrong || !(d.gradient <= limits.gradient) || !(d.later <= limits.later) ||
            !(d.update <= limits.update);
  return d;
}

std::vector<std::string> forward_order(const Recording& recording) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : recording.tensors) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return recording.tensors.at(a).number < recording.tensors.at(b).number;
  });
  return names;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

double Verdict::worst_gradient() const {
  double worst = 0;
  for (const auto& t : tensors) worst = std::max(worst, t.gradient);
  return worst;
}
double Verdict::worst_later() const {
  double worst = 0;
  for (const auto& t : tensors) worst = std::max(worst, t.later);
  return worst;
}
double Verdict::worst_update() const {
  double worst = 0;
  for (const auto& t : tensors) worst = std::max(worst, t.update);
  return worst;
}

Tolerance tolerance_for(const std::string& optimizer) {
  Tolerance limits;
  if (optimizer == "sgd" || optimizer == "nag") limits.later = limits.gradient;
  if (optimizer == "lion") limits.later = limits.update = std::numeric_limits<double>::max();
  return limits;
}

Verdict compare(const Recording& layout, const Recording& truth, const Tolerance& limits) {
  Verdict verdict;
  verdict.faults = layout.faults;
  if (layout.losses.size() != truth.losses.size())
    verdict.faults.push_back(
        fmt::format("{} updates in place of {}", layout.losses.size(), truth.losses.size()));
  for (size_t k = 0; k < std::min(layout.losses.size(), truth.losses.size()); ++k) {
    const double d = std::abs(layout.losses[k] - truth.losses[k]) / std::abs(truth.losses[k]);
    if (d <= verdict.loss) continue;
    verdict.loss = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
    verdict.loss_update = static_cast<int64_t>(k) + 1;
  }
  for (const auto& name : forward_order(truth)) {
    const auto found = layout.tensors.find(name);
    if (found == layout.tensors.end()) {
      verdict.faults.push_back(name + ": no rank holds it");
      continue;
    }
    verdict.tensors.push_back(difference_of(name, found->second, truth, limits));
  }
  for (const auto& [name, tensor] : layout.tensors)
    if (!truth.tensors.contains(name))
      verdict.faults.push_back(name + ": one rank has no such tensor");
  for (const auto& t : verdict.tensors)
    if (t.wrong) verdict.first_wrong = t.name;
  verdict.equal =
      verdict.faults.empty() && verdict.loss <= limits.loss && verdict.first_wrong.empty();
  return verdict;
}

std::string first_bit_difference(const Recording& a, const Recording& b) {
  if (!same_bits(a.losses, b.losses))
    return fmt::format("losses {} and {}", fmt::join(a.losses, " "), fmt::join(b.losses, " "));
  if (a.tensors.size() != b.tensors.size()) return "numbers of tensors";
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = b.tensors.find(name);
    if (other == b.tensors.end()) return name + " is missing";
    if (tensor.gradients.size() != other->second.gradients.size()) return name + ": updates";
    for (size_t k = 0; k < tensor.gradients.size(); ++k)
      if (!same_bits(tensor.gradients[k], other->second.gradients[k]))
        return fmt::format("{}: gradient of update {}", name, k + 1);
    if (!same_bits(tensor.update, other->second.update)) return name + ": update";
  }
  return "";
}

Verdict verify(const RunConfig& config, int ranks, int64_t updates, const Tamper& tamper) {
  const Recording truth = record(on_one_rank(config), 1, updates);
  return compare(record(config, ranks, updates, tamper), truth,
                 tolerance_for(config.optimizer.type));
}

std::string to_text(const Verdict& verdict, const std::string& layout, int64_t updates) {
  std::string out =
      fmt::format("{:<28}{:>12}{:>12}{:>12}\n", "tensor", "gradient", "later", "update");
  for (const auto& t : verdict.tensors)
    out += fmt::format("{:<28}{:>12.2e}{:>12.2e}{:>12}{}\n", t.name, t.gradient, t.later,
                       unit_of(t.name).empty() ? fmt::format("{:.2e}", t.update) : "-",
                       t.wrong ? "  differs" : "");
  out += fmt::format("{:<28}{:>12.2e}\n", "loss", verdict.loss);
  for (const auto& fault : verdict.faults) out += "fault: " + fault + "\n";
  if (verdict.equal)
    return out +
           fmt::format("equal: {} computes what one rank computes ({} updates)\n", layout, updates);
  out += fmt::format("DIFFERENT: {} does not compute what one rank computes", layout);
  if (!verdict.first_wrong.empty())
    out += fmt::format("; first to differ, in the order of backward: {}", verdict.first_wrong);
  return out + "\n";
}

}  // namespace echelon::trainer
