#pragma once
// Learning rates and batch sizes as pure functions of the update number and of consumed samples.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/config/fields.h"

namespace echelon::optim {

enum class BatchScaling { none, linear, sqrt };

/// `scheduler:` of the configuration.
struct SchedulerConfig {
  std::string lr_decay_style = "cosine";
  int64_t lr_warmup_iters = 0;
  int64_t lr_decay_iters = 0;  ///< 0: train_iters
  double min_lr = 0.0;
  int64_t lr_wsd_decay_iters = 0;
  double power = 1.0;
  BatchScaling batch_scaling = BatchScaling::none;
  double base_lr = 0.0;  ///< 0: optimizer.lr
  int64_t base_batch = 256;
  void fields(config::Fields& f);
};

std::span<const std::string_view> schedule_names();

/// Peak rate: optimizer.lr, or base_lr scaled by global_batch/base_batch (linear for SGD, square
/// root for Adam and LAMB).
double peak_rate(const SchedulerConfig& config, double lr, int64_t global_batch);

/// Rate of applied update k = 1, 2, ...: peak*k/warmup up to `warmup`, then with
/// x = min(1, (k-warmup)/(total-warmup)): constant; linear min+(peak-min)(1-x); cosine
/// min+(peak-min)(1+cos(pi x))/2; polynomial min+(peak-min)(1-x)^power; inverse_sqrt
/// peak*sqrt(warmup/k); wsd peak, then linear to min over the last lr_wsd_decay_iters updates.
class Schedule {
 public:
  /// Throws Error(config, V33) when warmup or decay do not fit in the total.
  Schedule(const SchedulerConfig& config, double peak, int64_t train_iters);
  double at(int64_t update) const;
  int64_t total() const { return total_; }

 private:
  SchedulerConfig config_;
  double peak_;
  int64_t total_;
};

/// Global batch of the attempt that starts after `consumed` samples. `rampup` is empty (always
/// `global_batch`) or [start, increment, samples]: equal shares of `samples` at start,
/// start+increment, ...; `global_batch` from `samples` on.
int64_t batch_size_at(std::span<const int64_t> rampup, int64_t global_batch, int64_t consumed);
/// Throws Error(config, V33) unless global_batch is reached in whole increments and every batch is
/// a multiple of `unit` (micro batch times data-parallel size).
void check_rampup(std::span<const int64_t> rampup, int64_t global_batch, int64_t unit);

}  // namespace echelon::optim
