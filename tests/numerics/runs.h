#pragma once
// Small runs of the whole Trainer on thread ranks, and what they leave behind.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "echelon/trainer/trainer.h"

namespace echelon::test {

/// Whole logical tensors by name ("h.0.attn.q.weight", "exp_avg/embed.weight"), put together from
/// all ranks.
using Whole = std::map<std::string, std::vector<float>>;

/// Two layers of width 16 on bytes, global batch 8, AdamW at a constant rate, no dropout.
trainer::RunConfig tiny_gpt2();
trainer::RunConfig tiny_llama();

/// Row k: seq_length bytes of tests/data/genesis.txt from a place that depends on k alone.
/// `ignored(row, position)`: targets without loss.
trainer::RowSource text_rows(const trainer::RunConfig& config,
                             const std::function<bool(int64_t, int64_t)>& ignored = {});

/// Weights, and optimizer state under "<state>/<name>", of this rank; several ranks (threads) may
/// add to one map.
void collect(trainer::Trainer& trainer, Whole& whole);
/// Weights of this rank from whole tensors; the optimizer's masters follow.
void load(trainer::Trainer& trainer, const Whole& whole);

struct Curve {
  std::vector<double> losses, norms;
  Whole weights;  ///< and optimizer state
};

/// Runs on one rank of a world; rank 0's reports are recorded.
using Session = std::function<void(trainer::Trainer&, comm::Communicator&)>;
/// `steps` updates on `ranks` thread ranks with one compute thread each; `before` and `after` may
/// load, resume or save.
Curve trained(const trainer::RunConfig& config, int ranks, int64_t steps,
              const trainer::RowSource& rows, const Session& before = {},
              const Session& after = {});
/// The same on the ranks of `world`; only the parts of this process are in `weights`.
Curve trained_on(comm::Communicator& world, const trainer::RunConfig& config, int64_t steps,
                 const trainer::RowSource& rows);

/// Largest |a-b| / |b| of two lists; infinite when the lengths differ.
double worst_relative(const std::vector<double>& a, const std::vector<double>& b);
/// Largest |a-b| of a tensor relative to its largest |b|, over tensors; infinite when names differ.
double worst_difference(const Whole& a, const Whole& b);

}  // namespace echelon::test
