// Radford et al. 2019: projections into the residual stream are scaled by 1/sqrt(2*layers).
#include <cmath>

#include "echelon/nn/init.h"

namespace echelon::nn {

InitRule gpt2_rule(Use use, const ModelConfig& model);

InitRule gpt2_rule(Use use, const ModelConfig& model) {
  using Kind = InitRule::Kind;
  switch (use) {
    case Use::bias: return {Kind::constant, 0};
    case Use::gain: return {Kind::constant, 1};
    case Use::attention_out:
    case Use::mlp_out:
      return {Kind::normal,
              model.init_method_std / std::sqrt(2.0 * static_cast<double>(model.num_layers))};
    case Use::token_table:
    case Use::position_table:
    case Use::qkv:
    case Use::mlp_in:
    case Use::head: return {Kind::normal, model.init_method_std};
  }
  ECH_CHECK(false, "unknown use");
}

}  // namespace echelon::nn
