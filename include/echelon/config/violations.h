#pragma once
// Rules across keys ("heads divide by the tensor size"): the caller checks, this collects what is
// violated, names the place of each key and throws everything as one Error.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "echelon/config/settings.h"

namespace echelon::config {

class Violations {
 public:
  /// `settings` must outlive this object.
  explicit Violations(const Settings& settings) : settings_(&settings) {}

  /// One violated rule: "run.yaml:3:9: model.num_layers: found 7, wanted a multiple of 2; use 6 or
  /// 8". `found` and `wanted` are free texts, `advice` may be empty. `id`: fault catalogue row.
  /// A value nobody wrote is named "default"; `key` need not be declared ("number of ranks").
  void add(std::string_view id, std::string_view key, std::string_view found,
           std::string_view wanted, std::string_view advice = {});

  /// Product of non-negative factors; adds a violation (C11) naming every key and returns 0 when it
  /// exceeds `most`.
  int64_t product(std::span<const std::pair<std::string_view, int64_t>> factors, int64_t most);

  bool empty() const { return lines_.empty(); }
  size_t size() const { return lines_.size(); }
  /// Throws Error(config, first id) listing up to 20 violations, or returns.
  void raise_if_any() const;

 private:
  const Settings* settings_;
  std::vector<std::pair<std::string, std::string>> lines_;  // id, message
};

}  // namespace echelon::config
