#pragma once
// Initial values: element i of the whole (fused, unsplit, unpadded) tensor number n is drawn from
// stream n, element i, so every layout starts from the same weights.
#include <span>
#include <string_view>

#include "echelon/device/stream.h"
#include "echelon/nn/model_config.h"
#include "echelon/nn/parameter.h"

namespace echelon::nn {

/// normal: standard deviation; uniform: U(-value, value); constant: value.
struct InitRule {
  enum class Kind { normal, uniform, constant };
  Kind kind = Kind::constant;
  double value = 0;
};

/// Names in src/nn/init/registry.def.
std::span<const std::string_view> init_kinds();
/// Rule of kind model.init for a use. Throws Error(config, "V33") for an unknown kind.
InitRule init_rule(Use use, const ModelConfig& model);

/// Sets every value; vocabulary padding becomes zero.
void initialize(std::span<Parameter* const> parameters, const ModelConfig& model, uint64_t seed,
                Stream& stream);
/// Gives parameters memory of their own, values undefined, f32 gradients zero: for use without a
/// parameter store (tests, generation). `gradients` false leaves them undefined.
void allocate_parameters(std::span<Parameter* const> parameters, DType dtype, bool gradients,
                         Allocator& memory);

}  // namespace echelon::nn
