#pragma once
// A tiny model trained through the trainer for a few steps on thread ranks.
#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"
#include "echelon/trainer/trainer.h"
#include "tests/support/golden.h"

namespace echelon::test {

using trainer::RunConfig;

inline constexpr int kSteps = 5;

inline RunConfig tiny() {
  RunConfig c;
  c.model.num_layers = 4;
  c.model.hidden_size = 32;
  c.model.num_attention_heads = 4;
  c.model.seq_length = 16;
  c.model.vocab_size = 61;
  c.model.make_vocab_size_divisible_by = 4;
  c.model.init_method_std = 0.1;
  c.model.hidden_dropout = c.model.attention_dropout = 0.1;
  c.train.micro_batch_size = 2;
  c.train.global_batch_size = 16;
  c.train.train_iters = 100;
  c.optimizer.lr = 3e-3;
  c.scheduler.lr_decay_style = "constant";
  return c;
}

/// Row r depends on r alone.
inline data::Batch rows_of(int64_t first, int64_t count, Allocator& memory) {
  data::Batch batch{first, Tensor::empty({count, 16}, DType::i32, memory),
                    Tensor::empty({count, 16}, DType::i32, memory)};
  for (int64_t row = 0; row < count; ++row) {
    const auto ids = tokens(17, 61, static_cast<int>(first + row));
    std::copy(ids.begin(), ids.end() - 1, batch.tokens.data<int32_t>() + row * 16);
    std::copy(ids.begin() + 1, ids.end(), batch.targets.data<int32_t>() + row * 16);
  }
  return batch;
}

struct Ran {
  std::vector<double> losses, norms;
  std::vector<sharding::StoreBytes> bytes;        ///< by rank
  std::vector<size_t> stash, optimizer, weights;  ///< by rank: peaks
};

/// What a run does besides training.
struct Saves {
  std::string load, save;
};

inline Ran run(const RunConfig& config, int ranks, const Saves& files = {}, int steps = kSteps) {
  Ran out;
  const auto n = static_cast<size_t>(ranks);
  out.bytes.resize(n);
  out.stash.resize(n);
  out.optimizer.resize(n);
  out.weights.resize(n);
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    ops::use_threads(1);
    const auto memory = make_cpu_allocator();
    RunConfig mine = config;
    mine.checkpoint.resume = files.load.empty() ? "auto" : "must";
    trainer::Trainer trainer(
        mine, world, [&](int64_t first, int64_t count) { return rows_of(first, count, *memory); });
    const trainer::SavedFacts facts{"tiny", "", "", ""};
    if (!files.load.empty()) trainer.resume(files.load, facts);
    for (int step = 0; step < steps; ++step) {
      const auto report = trainer.step();
      if (world.rank() != 0) continue;
      out.losses.push_back(report.loss);
      out.norms.push_back(report.grad_norm);
    }
    if (!files.save.empty()) trainer.save(files.save, facts);
    const auto me = static_cast<size_t>(world.rank());
    auto& parts = trainer.parts();
    out.bytes[me] = parts.store->bytes();
    out.stash[me] = parts.executor->peak_stash_bytes();
    const MemoryUse use = parts.memory->use();
    out.optimizer[me] = use.peak[static_cast<size_t>(MemoryCategory::optimizer)];
    out.weights[me] = use.peak[static_cast<size_t>(MemoryCategory::weights)];
  });
  return out;
}

inline double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(a[i] - b[i]) / std::abs(b[i]));
  return most;
}

inline RunConfig with_recompute(RunConfig c, remat::Granularity granularity, remat::Method method,
                                int64_t layers) {
  c.recompute = {granularity, method, layers, {"core_attn", "mlp"}};
  return c;
}

inline RunConfig with_layout(RunConfig c, int64_t tp, int64_t pp, int64_t stage,
                             const std::string& schedule = "1f1b", int64_t chunks = 1) {
  c.parallel.tensor_model_parallel_size = tp;
  c.parallel.sequence_parallel = tp > 1;
  c.parallel.pipeline_model_parallel_size = pp;
  c.pipeline.pipeline_schedule = schedule;
  c.pipeline.virtual_pipeline_model_parallel_size = chunks;
  c.zero_optimization.stage = stage;
  return c;
}

}  // namespace echelon::test
