#pragma once
// From logits to a token: filters in the order repetition penalty, temperature, top-k, top-p, and a
// draw that does not depend on the layout.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "echelon/config/fields.h"

namespace echelon::generate {

/// Options of `echelon generate`.
struct GenerateConfig {
  std::string prompt;
  int64_t max_new_tokens = 200;
  double temperature = 1.0;
  int64_t top_k = 0;
  double top_p = 1.0;
  double repetition_penalty = 1.0;
  int64_t num_samples = 1;
  int64_t seed = 0;
  std::string stop;
  void fields(config::Fields& f);
};

/// Probabilities over the whole vocabulary after all filters. Equal logits rank by lower id;
/// temperature 0 puts everything on the largest; top_p keeps the smallest set whose mass reaches
/// it, at least one. `history`: ids seen so far, for the penalty (each counts once).
std::vector<double> filtered(std::span<const float> logits, const GenerateConfig& config,
                             std::span<const int32_t> history);

/// First id, in id order, whose cumulative probability exceeds u * (total).
int32_t draw(std::span<const double> probabilities, double u);

/// Token at `position` of sequence `sequence`: u = uniform(element position) of stream
/// 1000 + sequence.
int32_t sample(std::span<const float> logits, const GenerateConfig& config,
               std::span<const int32_t> history, int64_t sequence, int64_t position);

}  // namespace echelon::generate
