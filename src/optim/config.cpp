#include "echelon/optim/config.h"

#include <algorithm>
#include <array>

#include "src/optim/slice_optimizer.h"

namespace echelon::optim {
namespace {

constexpr std::array kNames = {
#define X(name) std::string_view(#name),
#include "src/optim/registry.def"
#undef X
};

template <class... A>
[[noreturn]] void reject(const char* id, fmt::format_string<A...> text, A&&... args) {
  fail(ExitCode::config, id, "{}", fmt::format(text, std::forward<A>(args)...));
}

void check_pair(const char* key, const std::vector<double>& pair) {
  if (pair.empty() || (pair.size() == 2 && pair[0] <= pair[1])) return;
  reject("V33",
         "optimizer.lamb.{}: found [{}], wanted two ascending numbers [lo, hi] or nothing; nothing "
         "was started; correct the list",
         key, fmt::join(pair, ", "));
}

void check_betas(const OptimizerConfig& c) {
  const auto in_range = [](double beta) { return beta >= 0 && beta < 1; };
  if (c.betas.empty() || (c.betas.size() == 2 && in_range(c.betas[0]) && in_range(c.betas[1])))
    return;
  reject("V33",
         "optimizer.betas: found [{}], wanted two numbers in [0, 1); nothing was started; give "
         "both, or leave the key out for the optimizer's own",
         fmt::join(c.betas, ", "));
}

size_t index_of(std::string_view type) {
  const auto found = std::find(kNames.begin(), kNames.end(), type);
  if (found == kNames.end())
    reject("V33",
           "optimizer.type: found {}, wanted one of {}; nothing was started; choose one of them",
           type, fmt::join(kNames, ", "));
  return static_cast<size_t>(found - kNames.begin());
}

bool glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (size_t skip = 0; skip <= text.size(); ++skip)
      if (glob(pattern.substr(1), text.substr(skip))) return true;
    return false;
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         glob(pattern.substr(1), text.substr(1));
}

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.find_first_of("*?") != std::string_view::npos) return glob(pattern, name);
  const std::string dotted = fmt::format(".{}.", name);
  return !pattern.empty() && dotted.find(fmt::format(".{}.", pattern)) != std::string::npos;
}

}  // namespace

void LambConfig::fields(config::Fields& f) {
  static constexpr std::array<std::string_view, 2> kVariants = {"apex", "deepspeed"};
  static constexpr std::array<std::string_view, 2> kAdapts = {"decayed", "all"};
  f.choice("variant", variant, kVariants,
           "Arithmetic of NVIDIA apex, or of DeepSpeed (bias correction on the rate).");
  f.choice("adapt", adapt, kAdapts,
           "Tensors with a layer-wise rate: those with weight decay, or all (apex variant).");
  f.reals("trust_clip", trust_clip, {0, 1e9},
          "[lo, hi] bounds of the ratio |p|/|u|; empty: none for apex, [0.01, 10] for deepspeed.");
  f.reals("weight_norm_clip", weight_norm_clip, {0, 1e9},
          "[lo, hi] bounds of |p| in the ratio; empty: none.");
}

void OptimizerConfig::fields(config::Fields& f) {
  int index = static_cast<int>(index_of(type));
  f.one_of("type", index, kNames, "Update rule.");
  type = kNames[static_cast<size_t>(index)];
  f.on_resume(config::OnResume::may_change);
  f.real("lr", lr, {0, 1e3}, "Peak learning rate.");
  f.reals("betas", betas, {0, 1},
          "Decay rates of the averages; empty: 0.9, 0.999 (lion: 0.9, 0.99). Below 1.");
  f.real("momentum", momentum, {0, 1}, "Momentum of sgd and nag. Below 1.");
  f.real("eps", eps, {0, 1}, "Added to the root of the second moment; 0: 1e-8 (lamb: 1e-6).");
  f.real("weight_decay", weight_decay, {-1, 10},
         "Weight decay of matrices; -1: 0.01 for adamw and lamb, 0 for the others.");
  f.texts("no_weight_decay", no_weight_decay,
          "Names of matrices without decay: parts between dots (pos), or patterns with * and ?.");
  f.real("max_grad_norm", max_grad_norm, {-1, 1e9},
         "Clipping inside lamb; 0: off, -1: 1 for the apex variant, off for deepspeed.");
  f.group("lamb", lamb, "Details of lamb.");
  f.on_resume(config::OnResume::must_match);
}

std::span<const std::string_view> optimizer_names() { return kNames; }

OptimizerConfig resolved(OptimizerConfig c) {
  index_of(c.type);
  check_betas(c);
  check_pair("trust_clip", c.lamb.trust_clip);
  check_pair("weight_norm_clip", c.lamb.weight_norm_clip);
  if (c.momentum < 0 || c.momentum >= 1)
    reject("V33",
           "optimizer.momentum: found {}, wanted a number in [0, 1); nothing was started; use 0.9",
           c.momentum);
  if (c.type == "nag" && c.momentum == 0)
    reject("V05",
           "optimizer.momentum: found 0 with type nag, wanted a positive momentum; nothing was "
           "started; use momentum: 0.9, or type: sgd");
  const bool lamb = c.type == "lamb";
  const bool apex = lamb && c.lamb.variant == LambVariant::apex;
  if (c.betas.empty()) c.betas = {0.9, c.type == "lion" ? 0.99 : 0.999};
  if (c.eps == 0) c.eps = apex ? 1e-6 : 1e-8;
  if (c.weight_decay < 0) c.weight_decay = lamb || c.type == "adamw" ? 0.01 : 0.0;
  if (c.max_grad_norm < 0) c.max_grad_norm = apex ? 1.0 : 0.0;
  if (lamb && !apex && c.lamb.trust_clip.empty()) c.lamb.trust_clip = {0.01, 10.0};
  return c;
}

void check_clipping(const OptimizerConfig& config, double clip_grad) {
  const OptimizerConfig c = resolved(config);
  if (c.type != "lamb" || clip_grad == 0 || c.max_grad_norm == 0) return;
  reject("V06",
         "clip_grad: found {} with optimizer.type lamb, wanted 0 (lamb clips to "
         "optimizer.max_grad_norm {} itself); nothing was started; set clip_grad: 0",
         clip_grad, c.max_grad_norm);
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config) {
  using Make = std::unique_ptr<Optimizer> (*)(const OptimizerConfig&);
  static constexpr std::array<Make, kNames.size()> kMakers = {
#define X(name) make_##name,
#include "src/optim/registry.def"
#undef X
  };
  return kMakers[index_of(config.type)](resolved(config));
}

bool decays(bool matrix, std::string_view name, std::span<const std::string> no_weight_decay) {
  return matrix && std::none_of(no_weight_decay.begin(), no_weight_decay.end(),
                                [&](const std::string& p) { return matches(p, name); });
}

}  // namespace echelon::optim
