// Rules across keys, all checked before anything is allocated or connected.
#include "echelon/config/violations.h"
#include "echelon/pipeline/schedule.h"
#include "echelon/trainer/run_config.h"

namespace echelon::trainer {

namespace {

/// Error(config) of a part's own check becomes one line of the list.
template <class Check>
void collect(std::vector<Error>& found, Check check) {
  try {
    check();
  } catch (const Error& error) {
    if (error.code() != ExitCode::config) throw;
    found.push_back(error);
  }
}

void check_batch(const RunConfig& c, const parallel::Degrees& degrees,
                 config::Violations& violations) {
  const int64_t unit = c.train.micro_batch_size * degrees.dp, batch = c.train.global_batch_size;
  if (batch % unit == 0) return;
  violations.add("V04", "train.global_batch_size",
                 fmt::format("{} = not a whole number of micro-batches: {} (micro_batch_size) x {} "
                             "(data-parallel ranks) = {}",
                             batch, c.train.micro_batch_size, degrees.dp, unit),
                 fmt::format("a multiple of {}", unit),
                 fmt::format("use {} or {}", std::max<int64_t>(1, batch / unit) * unit,
                             (batch / unit + 1) * unit));
}

void check_context(const RunConfig& c, const parallel::Degrees& degrees,
                   config::Violations& violations) {
  if (degrees.cp == 1) return;
  const int64_t pieces = int64_t{2} * degrees.cp * (c.parallel.sequence_parallel ? degrees.tp : 1);
  if (c.model.seq_length % pieces != 0)
    violations.add("V20", "model.seq_length",
                   fmt::format("{} for {} context-parallel ranks", c.model.seq_length, degrees.cp),
                   fmt::format("a multiple of {}", pieces),
                   fmt::format("use {}", (c.model.seq_length / pieces + 1) * pieces));
  if (c.model.attention_kind != "dense")
    violations.add("V20", "attention.kind", c.model.attention_kind,
                   "dense with parallel.context_parallel_size > 1",
                   "set parallel.context_parallel_size to 1");
}

}  // namespace

void check_run(const LoadedRun& run, int ranks) {
  const RunConfig& c = run.config;
  nn::ModelConfig model = c.model;
  if (model.vocab_size == 0) model.vocab_size = 2;  // the data decides later (settle_vocabulary)
  config::Violations violations(run.settings);
  std::vector<Error> others;
  parallel::Degrees degrees;
  collect(others, [&] { degrees = parallel::degrees_of(c.parallel, ranks); });
  const int64_t tp = c.parallel.tensor_model_parallel_size;
  for (const auto& issue : nn::validate(model, tp, c.parallel.sequence_parallel))
    violations.add(issue.id, issue.key, issue.found, issue.wanted, issue.advice);
  if (others.empty()) {
    check_batch(c, degrees, violations);
    check_context(c, degrees, violations);
    collect(others, [&] {
      optim::check_rampup(c.train.rampup_batch_size, c.train.global_batch_size,
                          c.train.micro_batch_size * degrees.dp);
    });
    collect(others, [&] { pipeline::stage_ranges(c.pipeline, c.model.num_layers, degrees.pp); });
    collect(others, [&] {
      const auto micros = c.train.global_batch_size / (c.train.micro_batch_size * degrees.dp);
      pipeline::programs_of(
          *pipeline::make_schedule(c.pipeline.pipeline_schedule),
          {degrees.pp, static_cast<int>(c.pipeline.virtual_pipeline_model_parallel_size),
           static_cast<int>(std::max<int64_t>(1, micros))});
    });
  }
  collect(others, [&] { sharding::check(c.zero_optimization); });
  collect(others, [&] { remat::check(c.recompute); });
  collect(others, [&] { offload::check(c.offload); });
  collect(others, [&] { optim::check_clipping(c.optimizer, c.clip_grad); });
  collect(others, [&] { optim::Schedule(c.scheduler, c.optimizer.lr, c.train.train_iters); });
  if (c.device == DeviceChoice::cuda)
    violations.add("E1", "device", "cuda", "auto or cpu", "this build runs on CPU ranks");
  if (others.size() == 1 && violations.empty()) throw others[0];
  if (!others.empty()) {
    std::string lines;
    for (const auto& error : others)
      lines += fmt::format("{}{}", lines.empty() ? "" : "\n", error.what());
    try {
      violations.raise_if_any();
    } catch (const Error& error) {
      lines = fmt::format("{}\n{}", error.what(), lines);
    }
    throw Error(ExitCode::config, others[0].id(), lines);
  }
  violations.raise_if_any();
}

}  // namespace echelon::trainer
