#pragma once
// What a plan is made of, and what one rank of it holds, without allocating a model.
#include <vector>

#include "echelon/nn/gpt_stage.h"
#include "echelon/optim/config.h"
#include "echelon/parallel/mesh.h"
#include "echelon/pipeline/config.h"
#include "echelon/sharding/layout.h"

namespace echelon::planner {

struct Job {
  nn::ModelConfig model;
  pipeline::PipelineConfig pipeline;
  sharding::ShardingConfig sharding;
  optim::OptimizerConfig optimizer;
  bool sequence_parallel = false;
  int64_t micro_batch = 1;   ///< sequences
  int64_t global_batch = 1;  ///< sequences
  /// Layers of a chunk with `layers` of them whose forward runs again in backward (full
  /// recomputation); 0: none.
  int64_t recomputed_layers = 0;
  /// Neighbouring recomputed layers that keep one input together.
  int64_t recomputed_together = 1;
  bool recomputed_cores = false;  ///< what lies between the attention projections runs again
  bool recomputed_mlps = false;   ///< the feed-forward of every layer runs again

  int64_t micros(const parallel::Degrees& d) const { return global_batch / (micro_batch * d.dp); }
  int chunks() const { return static_cast<int>(pipeline.virtual_pipeline_model_parallel_size); }
  pipeline::PipeShape shape(const parallel::Degrees& d) const {
    return {d.pp, chunks(), static_cast<int>(micros(d))};
  }
};

/// A tensor that a rank holds, as the bucket layout and the norms see it.
struct Held {
  std::string name;
  int64_t elements = 0;
  int chunk = 0;
  size_t unit = 0;  ///< stage 3: layers of the rank in order, a recomputed group is one
  bool partial_under_sp = false;
  bool tied = false;  ///< the matrix that the first and the last stage share
};

/// Parts of the model on one rank. Made of the real layers, whose parameters have no memory.
struct RankParts {
  std::vector<nn::StageRange> ranges;  ///< by chunk
  std::vector<Held> held;              ///< registration order
  std::vector<sharding::Bucket> buckets;
  std::vector<nn::Cost> costs;  ///< by chunk, one micro-batch, f32; what recomputation keeps
  int64_t parameters() const;
};
RankParts parts_of(const Job& job, const parallel::Degrees& degrees,
                   const parallel::Coords& coords);

}  // namespace echelon::planner
