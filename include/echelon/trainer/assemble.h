#pragma once
// The one place that knows the order in which techniques are put around the model.
#include <memory>
#include <vector>

#include "echelon/nn/context_parallel.h"
#include "echelon/nn/gpt_stage.h"
#include "echelon/offload/tensor_store.h"
#include "echelon/optim/optimizer.h"
#include "echelon/parallel/mesh.h"
#include "echelon/pipeline/executor.h"
#include "echelon/sharding/param_store.h"
#include "echelon/trainer/run_config.h"

namespace echelon::trainer {

/// Everything one rank trains with. Members are destroyed in reverse order.
struct Assembly {
  std::shared_ptr<Allocator> memory;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Stream> tp_stream;  ///< null without tensor parallelism
  std::unique_ptr<Stream> cp_stream;  ///< null without context parallelism
  std::unique_ptr<parallel::Mesh> mesh;
  std::unique_ptr<nn::ContextParallel> context_parallel;  ///< null: sequences are whole
  std::vector<std::unique_ptr<nn::GptStage>> chunks;
  std::unique_ptr<sharding::ParamStore> store;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<offload::TensorStore> stash_store;  ///< null: activations stay
  std::unique_ptr<pipeline::Executor> executor;

  /// Of this rank's chunks, in forward order.
  const std::vector<nn::Parameter*>& parameters() const { return store->parameters(); }
  /// Whether every data-parallel rank holds all weights and optimizer state (ZeRO stage 0).
  bool replicated_state = true;
  bool last_stage() const { return mesh->here().pp + 1 == mesh->degrees().pp; }
};

/// Builds the mesh, the stages with initial weights, the store, the optimizer and the executor. The
/// configuration was checked (check_run) and model.vocab_size is final. Collective over `world`.
Assembly assemble(const RunConfig& config, comm::Communicator& world, TraceSink* trace);

}  // namespace echelon::trainer
