#pragma once
// `optimizer:` of the configuration and the registry of update rules (src/optim/registry.def).
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/config/fields.h"
#include "echelon/optim/optimizer.h"

namespace echelon::optim {

/// apex: NVIDIA FusedLAMB. deepspeed: ratio from uncorrected moments, bias correction on the rate.
enum class LambVariant { apex, deepspeed };
/// Which tensors get the layer-wise ratio (apex form; the deepspeed form adapts all).
enum class LambAdapt { decayed, all };

struct LambConfig {
  LambVariant variant = LambVariant::apex;
  LambAdapt adapt = LambAdapt::decayed;
  std::vector<double> trust_clip{};        ///< [lo, hi] of the ratio; empty: the variant's own
  std::vector<double> weight_norm_clip{};  ///< [lo, hi] of |p|; empty: off
  void fields(config::Fields& f);
};

/// As written in the file: `betas: []`, `eps: 0`, `weight_decay: -1` and `max_grad_norm: -1` stand
/// for the rule's own default; `resolved` fills them in.
struct OptimizerConfig {
  std::string type = "adamw";
  double lr = 6.0e-4;
  std::vector<double> betas;
  double momentum = 0.9;
  double eps = 0.0;
  double weight_decay = -1.0;
  std::vector<std::string> no_weight_decay;
  double max_grad_norm = -1.0;
  LambConfig lamb;
  void fields(config::Fields& f);
};

/// Names of the registered rules, in the order of registry.def.
std::span<const std::string_view> optimizer_names();

/// With the rule's defaults in place of the stand-ins (methods: adam, adamw betas 0.9 0.999, eps
/// 1e-8; adamw decay 0.01; lion betas 0.9 0.99; lamb eps 1e-6, decay 0.01, max_grad_norm 1,
/// deepspeed form trust_clip 0.01 10 and no max_grad_norm; everything else 0). Throws Error(config,
/// V05 | V33).
OptimizerConfig resolved(OptimizerConfig config);
/// V06: `clip_grad` together with LAMB's own clipping. Throws Error(config).
void check_clipping(const OptimizerConfig& config, double clip_grad);

/// Resolves and builds. Throws Error(config).
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config);

/// Whether weight decay applies: matrices whose name no pattern matches. A pattern with * or ? is a
/// glob for the whole name, any other matches whole parts between dots ("pos" matches
/// "pos.weight").
bool decays(bool matrix, std::string_view name, std::span<const std::string> no_weight_decay);

}  // namespace echelon::optim
