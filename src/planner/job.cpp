#include "echelon/planner/job.h"

#include <algorithm>

#include "echelon/comm/world.h"

namespace echelon::planner {

namespace {

/// Which of the rank's units layer `index` of a stage belongs to, beginning at `first`.
size_t unit_of_layer(const Job& job, const nn::StageRange& range, size_t index, size_t first) {
  const size_t before = range.embedding ? 1 : 0;
  if (index < before) return first;
  const auto layers = static_cast<size_t>(range.last_layer - range.first_layer);
  const size_t recomputed = std::min(layers, static_cast<size_t>(job.recomputed_layers));
  const auto together = static_cast<size_t>(job.recomputed_together);
  const size_t groups = (recomputed + together - 1) / together;
  const size_t layer = index - before;
  return first + before + (layer < recomputed ? layer / together : groups + layer - recomputed);
}

/// Only the input of its group is kept.
bool recomputed(const Job& job, const nn::StageRange& range, size_t index) {
  const auto before = static_cast<int64_t>(range.embedding ? 1 : 0);
  const int64_t layer = static_cast<int64_t>(index) - before;
  return layer >= 0 && layer < range.last_layer - range.first_layer &&
         layer < job.recomputed_layers;
}

}  // namespace

int64_t RankParts::parameters() const {
  int64_t sum = 0;
  for (const Held& h : held) sum += h.elements;
  return sum;
}

RankParts parts_of(const Job& job, const parallel::Degrees& degrees,
                   const parallel::Coords& coords) {
  const auto tp = comm::make_fake(coords.tp, degrees.tp, "tp");
  const auto ranges = pipeline::stage_ranges(job.pipeline, job.model.num_layers, degrees.pp);
  const bool shared = job.model.tie_embeddings && degrees.pp > 1;
  const int64_t rows = job.micro_batch * job.model.seq_length / degrees.cp;
  RankParts parts;
  size_t unit = 0;
  for (int chunk = 0; chunk < job.chunks(); ++chunk) {
    const auto& range = ranges[static_cast<size_t>(chunk * degrees.pp + coords.pp)];
    nn::GptStage stage(job.model, range, *tp, job.sequence_parallel);
    parts.ranges.push_back(range);
    nn::Cost cost;
    size_t last = unit;
    for (size_t index = 0; index < stage.layers().size(); ++index) {
      std::vector<nn::Parameter*> parameters;
      stage.layers()[index]->parameters(parameters);
      const size_t before = last;
      last = unit_of_layer(job, range, index, unit);
      nn::Cost layer = stage.layers()[index]->cost(rows, job.model.seq_length, DType::f32);
      if (recomputed(job, range, index)) {
        const bool opens = last != before || index == 0;
        layer.saved_bytes = opens ? stage.activation_shape(1, rows).elements() * 4 : 0;
      }
      cost += layer;
      for (const nn::Parameter* p : parameters)
        parts.held.push_back({p->name, p->shape.elements(), chunk, last, p->shard.partial_under_sp,
                              shared && p->name == "embed.weight"});
    }
    parts.costs.push_back(cost);
    unit = last + 1;
  }
  std::vector<sharding::Extent> extents;
  for (const Held& h : parts.held) extents.push_back({h.elements, h.tied, h.unit});
  parts.buckets = sharding::layout_buckets(
      extents, sharding::bucket_rule(job.sharding, degrees.dp * degrees.cp));
  return parts;
}

}  // namespace echelon::planner
