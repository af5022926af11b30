#pragma once
// Proof that a layout computes what one rank computes, on a model small enough to run in seconds.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "echelon/trainer/trainer.h"

namespace echelon::trainer {

/// A logical (unfused, unpadded) tensor put together from the parts of all ranks.
struct RecordedTensor {
  Shape shape;
  int64_t number = 0;                         ///< place in the forward order of the whole model
  std::vector<std::vector<float>> gradients;  ///< by update: over the global batch, before clipping
  std::vector<float> update;                  ///< weights at the end - weights at the start
};

/// What a layout did in its first updates.
struct Recording {
  std::vector<double> losses, grad_norms;  ///< by update
  std::map<std::string, RecordedTensor> tensors;
  /// Replicas that are not equal bit for bit, elements that no rank or several ranks own.
  std::vector<std::string> faults;
};

/// Called on every rank before the first update; tests plant errors here.
using Tamper = std::function<void(Trainer&)>;

/// Trains `updates` updates on `ranks` thread ranks with synthetic rows that depend on their number
/// alone, some of their targets ignored. The configuration was checked for that many ranks.
Recording record(const RunConfig& config, int ranks, int64_t updates, const Tamper& tamper = {});

/// How far a layout may be from one rank (docs/numerics.md).
struct Tolerance {
  double loss = 1e-5;      ///< relative, every update
  double gradient = 2e-5;  ///< of the tensor's largest element, at equal weights (update 1)
  /// The same afterwards. Rules that divide by the size of the gradient turn the rounding of
  /// elements with almost no gradient into updates; sgd and nag do not and keep `gradient`.
  double later = 1e-2;
  double update = 1e-2;  ///< Euclidean norm of the difference over that of the change
};

struct TensorDifference {
  std::string name;
  double gradient = 0;  ///< at update 1, in units of the tensor's largest element
  double later = 0;     ///< worst of the further updates
  double update = 0;
  bool wrong = false;
};
struct Verdict {
  double loss = 0;  ///< worst relative difference
  int64_t loss_update = 0;
  std::vector<TensorDifference> tensors;  ///< in forward order
  std::vector<std::string> faults;
  bool equal = false;
  /// Of the tensors that differ, the one that backward reaches first; empty: none differs.
  std::string first_wrong;
  double worst_gradient() const;
  double worst_later() const;
  double worst_update() const;
};
/// `updates_count`: whether updates have a limit; false for rules that turn rounding into updates
/// of full size (lion).
Verdict compare(const Recording& layout, const Recording& truth, bool updates_count,
                const Tolerance& limits = {});
/// Empty when losses, gradients and updates are the same bit for bit, else the first difference.
std::string first_bit_difference(const Recording& a, const Recording& b);

/// The configuration with what must be small made small: layers, widths, vocabulary, sequence and
/// batch as small as the layout allows, several gradient buckets. Style, ratios, schedule, dropout,
/// optimizer and ZeRO stage stay.
RunConfig shrunk(RunConfig config, int ranks);
/// The same training on one rank: no parallelism, no ZeRO, nothing recomputed or offloaded.
RunConfig on_one_rank(RunConfig config);
/// "tp2+sp pp2 interleaved v2 dp2 zero1".
std::string layout_text(const RunConfig& config, int ranks);
/// Every layout of `ranks` ranks that the configuration's model allows, shrunk.
std::vector<RunConfig> layouts_of(const RunConfig& config, int ranks);

/// Records both and compares.
Verdict verify(const RunConfig& shrunk_config, int ranks, int64_t updates,
               const Tamper& tamper = {});
/// A table of all tensors and the verdict in words.
std::string to_text(const Verdict& verdict, const std::string& layout, int64_t updates);

}  // namespace echelon::trainer
