#include "echelon/planner/memory.h"

#include <algorithm>

namespace echelon::planner {

namespace {
constexpr int64_t kBytes = 4;  // f32
}

Memory memory_of(const Job& job, const RankParts& parts, const parallel::Degrees& degrees,
                 const parallel::Coords& coords, int peak_stashes) {
  const int ranks = degrees.dp * degrees.cp;
  const int64_t stage = job.sharding.stage;
  int64_t whole = 0, largest = 0, owned = 0;
  for (const auto& bucket : parts.buckets) {
    whole += bucket.elements;
    largest = std::max(largest, bucket.elements);
    owned += bucket.elements / (stage >= 1 ? ranks : 1);
  }
  Memory m;
  m.weights = kBytes * (stage == 3 ? owned : whole);
  m.gradients = kBytes * (stage >= 2 ? owned : whole);
  if (stage >= 2)
    m.staging = kBytes * largest * std::min<int64_t>(2, static_cast<int64_t>(parts.buckets.size()));
  if (stage == 3 && ranks > 1) {
    std::vector<int64_t> units;
    for (const auto& held : parts.held) {
      units.resize(std::max(units.size(), held.unit + 1));
      units[held.unit] += held.elements;
    }
    int64_t most = units.empty() ? 0 : units[0];
    for (size_t u = 1; u < units.size(); ++u) most = std::max(most, units[u - 1] + units[u]);
    m.gathered = kBytes * most;
  }
  const int rank = coords.cp + degrees.cp * coords.dp;
  int64_t updated = 0;
  for (const auto& piece : stage >= 1 ? sharding::pieces_of(parts.buckets, rank, ranks)
                                      : sharding::pieces_of(parts.buckets, 0, 1))
    updated += piece.to - piece.from;
  m.optimizer = optim::make_optimizer(job.optimizer)->state_bytes_per_param() * updated;
  int64_t saved = 0;
  for (const auto& cost : parts.costs) saved = std::max(saved, cost.saved_bytes);
  m.activations = saved * peak_stashes;
  return m;
}

}  // namespace echelon::planner
