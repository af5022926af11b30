#include "echelon/trainer/assemble.h"

#include "echelon/nn/init.h"
#include "echelon/offload/offload_stash.h"
#include "echelon/remat/rematerialized.h"
#include "echelon/sharding/gathered.h"

namespace echelon::trainer {

namespace {

std::vector<std::unique_ptr<nn::GptStage>> build_chunks(const RunConfig& config,
                                                        const parallel::Mesh& mesh) {
  const int ranks = mesh.degrees().pp, here = mesh.here().pp;
  const auto ranges = pipeline::stage_ranges(config.pipeline, config.model.num_layers, ranks);
  std::vector<std::unique_ptr<nn::GptStage>> chunks;
  for (size_t stage = static_cast<size_t>(here); stage < ranges.size();
       stage += static_cast<size_t>(ranks))
    chunks.push_back(std::make_unique<nn::GptStage>(config.model, ranges[stage],
                                                    mesh.on(parallel::Axis::tp),
                                                    config.parallel.sequence_parallel));
  return chunks;
}

std::vector<nn::Parameter*> parameters_of(const Assembly& a) {
  std::vector<nn::Parameter*> all;
  for (const auto& chunk : a.chunks)
    for (nn::Parameter* parameter : chunk->parameters()) all.push_back(parameter);
  return all;
}

std::unique_ptr<sharding::ParamStore> build_store(const RunConfig& config, const Assembly& a) {
  const bool tied = config.model.tie_embeddings && a.mesh->degrees().pp > 1;
  sharding::StoreOptions options;
  options.sharding = config.zero_optimization;
  options.no_weight_decay = config.optimizer.no_weight_decay;
  auto store = sharding::make_param_store(
      options,
      sharding::groups_of(*a.mesh, config.parallel.sequence_parallel, tied ? "embed.weight" : ""),
      *a.memory);
  return store;
}

/// What keeps activations between forward and backward; nothing: the executor's own.
std::function<std::unique_ptr<nn::Stash>()> stash_maker(const RunConfig& config,
                                                        const Assembly& a) {
  if (!a.stash_store) return {};
  return [&store = *a.stash_store, &memory = *a.memory,
          least = static_cast<size_t>(config.offload.min_bytes)] {
    return std::make_unique<offload::OffloadStash>(store, memory, least);
  };
}

std::unique_ptr<pipeline::Executor> build_executor(const RunConfig& config, const Assembly& a,
                                                   TraceSink* trace) {
  std::vector<nn::GptStage*> chunks;
  for (const auto& chunk : a.chunks) chunks.push_back(chunk.get());
  return std::make_unique<pipeline::Executor>(
      static_cast<int>(chunks.size()), pipeline::make_schedule(config.pipeline.pipeline_schedule),
      chunks, a.mesh->on(parallel::Axis::pp),
      pipeline::Engine{*a.stream, *a.memory, trace, a.tp_stream.get(), stash_maker(config, a),
                       a.context_parallel.get()});
}

}  // namespace

Assembly assemble(const RunConfig& config, comm::Communicator& world, TraceSink* trace) {
  Assembly a;
  a.memory = make_cpu_allocator();
  a.stream = make_inline_stream();
  a.mesh =
      std::make_unique<parallel::Mesh>(parallel::degrees_of(config.parallel, world.size()), world);
  if (a.mesh->degrees().tp > 1) a.tp_stream = make_worker_stream("tp-comm");
  if (a.mesh->degrees().cp > 1) {
    a.cp_stream = make_worker_stream("cp-comm");
    a.context_parallel = std::make_unique<nn::ContextParallel>(
        nn::ContextParallel{&a.mesh->on(parallel::Axis::cp), a.cp_stream.get()});
  }
  a.replicated_state = config.zero_optimization.stage == 0;
  a.chunks = build_chunks(config, *a.mesh);
  for (const auto& chunk : a.chunks) remat::rematerialize(*chunk, config.recompute);
  a.store = build_store(config, a);
  for (const auto& chunk : a.chunks) sharding::gather(*chunk, *a.store);
  a.store->adopt(parameters_of(a));
  a.store->initialize(
      [&](const std::vector<nn::Parameter*>& some) {
        nn::initialize(some, config.model, static_cast<uint64_t>(config.seed), *a.stream);
      },
      *a.stream);
  a.optimizer = optim::make_optimizer(config.optimizer);
  a.optimizer->attach(a.store->slices(), *a.memory, a.store->tensor_sums());
  a.stash_store = offload::make_store(config.offload);
  a.executor = build_executor(config, a, trace);
  return a;
}

}  // namespace echelon::trainer
