#include "echelon/optim/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "echelon/base/error.h"

namespace echelon::optim {
namespace {

/// Where an update after the warmup stands.
struct Phase {
  double k, warmup, total;
  double x;  ///< share of the decay that is over, 0..1
  double peak, least;
  double wsd_decay, power;
};

double between(const Phase& p, double share) { return p.least + (p.peak - p.least) * share; }

double constant(const Phase& p) { return p.peak; }
double linear(const Phase& p) { return between(p, 1 - p.x); }
double cosine(const Phase& p) { return between(p, 0.5 * (1 + std::cos(std::numbers::pi * p.x))); }
double polynomial(const Phase& p) { return between(p, std::pow(1 - p.x, p.power)); }
double inverse_sqrt(const Phase& p) { return p.peak * std::sqrt(std::max(p.warmup, 1.0) / p.k); }
double wsd(const Phase& p) {
  if (p.k <= p.total - p.wsd_decay) return p.peak;
  return between(p, std::max(0.0, (p.total - p.k) / p.wsd_decay));
}

struct Style {
  std::string_view name;
  double (*rate)(const Phase&);
};
constexpr std::array kStyles = {
#define X(name) Style{#name, name},
#include "src/optim/schedules.def"
#undef X
};
constexpr auto kNames = [] {
  std::array<std::string_view, kStyles.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kStyles[i].name;
  return names;
}();

size_t index_of(std::string_view style) {
  const auto found = std::find(kNames.begin(), kNames.end(), style);
  if (found == kNames.end())
    fail(ExitCode::config, "V33",
         "scheduler.lr_decay_style: found {}, wanted one of {}; nothing was started; choose one of "
         "them",
         style, fmt::join(kNames, ", "));
  return static_cast<size_t>(found - kNames.begin());
}

}  // namespace

void SchedulerConfig::fields(config::Fields& f) {
  static constexpr std::array<std::string_view, 3> kScalings = {"none", "linear", "sqrt"};
  constexpr int64_t most = int64_t{1} << 60;
  f.on_resume(config::OnResume::may_change);
  int index = static_cast<int>(index_of(lr_decay_style));
  f.one_of("lr_decay_style", index, kNames, "Shape of the rate after the warmup.");
  lr_decay_style = kNames[static_cast<size_t>(index)];
  f.integer("lr_warmup_iters", lr_warmup_iters, {0, most},
            "Updates in which the rate rises linearly to its peak.");
  f.integer("lr_decay_iters", lr_decay_iters, {0, most},
            "Update at which the decay ends; 0: train.train_iters.");
  f.real("min_lr", min_lr, {0, 1e3}, "Rate at the end of the decay.");
  f.integer("lr_wsd_decay_iters", lr_wsd_decay_iters, {0, most},
            "Updates of the final decay of wsd.");
  f.real("power", power, {0, 100}, "Exponent of polynomial.");
  f.choice("batch_scaling", batch_scaling, kScalings,
           "Scales base_lr by global batch / base_batch: linear for sgd, sqrt for adam and lamb.");
  f.real("base_lr", base_lr, {0, 1e3}, "Rate at base_batch; 0: optimizer.lr.");
  f.count("base_batch", base_batch, {1, most}, "Global batch that base_lr was found for.");
  f.on_resume(config::OnResume::must_match);
}

std::span<const std::string_view> schedule_names() { return kNames; }

double peak_rate(const SchedulerConfig& config, double lr, int64_t global_batch) {
  if (config.batch_scaling == BatchScaling::none) return lr;
  const double base = config.base_lr > 0 ? config.base_lr : lr;
  const double factor = static_cast<double>(global_batch) / static_cast<double>(config.base_batch);
  return base * (config.batch_scaling == BatchScaling::linear ? factor : std::sqrt(factor));
}

Schedule::Schedule(const SchedulerConfig& config, double peak, int64_t train_iters)
    : config_(config),
      peak_(peak),
      total_(config.lr_decay_iters > 0 ? config.lr_decay_iters : train_iters) {
  index_of(config.lr_decay_style);
  const bool decays =
      config.lr_decay_style != "constant" && config.lr_decay_style != "inverse_sqrt";
  const int64_t wsd = config.lr_decay_style == "wsd" ? config.lr_wsd_decay_iters : 0;
  if (decays && config.lr_warmup_iters + wsd > total_)
    fail(ExitCode::config, "V33",
         "scheduler.lr_warmup_iters: found {} plus lr_wsd_decay_iters {}, wanted at most the {} "
         "updates of lr_decay_iters; nothing was started; shorten them or raise lr_decay_iters",
         config.lr_warmup_iters, wsd, total_);
}

double Schedule::at(int64_t update) const {
  const auto k = static_cast<double>(update);
  const auto warmup = static_cast<double>(config_.lr_warmup_iters);
  if (update <= config_.lr_warmup_iters) return peak_ * k / warmup;
  const auto total = static_cast<double>(total_);
  const double x = std::min(1.0, (k - warmup) / std::max(1.0, total - warmup));
  return kStyles[index_of(config_.lr_decay_style)].rate(
      {k, warmup, total, x, peak_, config_.min_lr, static_cast<double>(config_.lr_wsd_decay_iters),
       config_.power});
}

int64_t batch_size_at(std::span<const int64_t> rampup, int64_t global_batch, int64_t consumed) {
  if (rampup.empty() || consumed >= rampup[2]) return global_batch;
  const int64_t steps = (global_batch - rampup[0]) / rampup[1];
  if (steps == 0) return global_batch;
  // consumed < samples, so the share that is over is below steps
  return rampup[0] +
         rampup[1] * static_cast<int64_t>(static_cast<__int128>(consumed) * steps / rampup[2]);
}

void check_rampup(std::span<const int64_t> rampup, int64_t global_batch, int64_t unit) {
  if (rampup.empty()) return;
  const bool ok = rampup.size() == 3 && rampup[0] >= 1 && rampup[1] >= 1 && rampup[2] >= 0 &&
                  rampup[0] <= global_batch && (global_batch - rampup[0]) % rampup[1] == 0 &&
                  rampup[0] % unit == 0 && (rampup[1] % unit == 0 || rampup[0] == global_batch);
  if (ok) return;
  fail(ExitCode::config, "V33",
       "train.rampup_batch_size: found [{}], wanted [start, increment, samples] that reach "
       "global_batch_size {} in whole increments, start and increment multiples of {} (micro batch "
       "times data-parallel ranks); nothing was started; correct the list",
       fmt::join(rampup, ", "), global_batch, unit);
}

}  // namespace echelon::optim
