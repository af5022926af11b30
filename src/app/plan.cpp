// echelon plan: what a layout costs, before anything runs.
#include <fmt/format.h>

#include <algorithm>

#include "echelon/base/text.h"
#include "echelon/comm/world.h"
#include "echelon/pipeline/schedule.h"
#include "echelon/pipeline/simulate.h"
#include "echelon/planner/memory.h"
#include "echelon/planner/traffic.h"
#include "echelon/trainer/trainer.h"
#include "src/app/commands.h"
#include "src/trainer/plan_job.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon plan RUN.YAML [np=N] [key.sub=value ...]

Prints what N ranks (default: tensor x context x pipeline sizes) would do with RUN.YAML: degrees, the
pipeline schedule with its bubble (backward taken as twice forward), and for every pipeline stage the
parameters, bytes by kind and messages of one training step. Starts nothing. The counts are those of
the communication log, call for call (docs/howto/communication-log.md).

example: echelon plan configs/model/gpt2-1.5b.yaml np=8 parallel.pipeline_model_parallel_size=4
)";

struct Options {
  int64_t np = 0;
  void fields(config::Fields& f) { f.integer("np", np, {0, 1 << 20}, "Ranks."); }
};

std::string bytes(int64_t n) { return text::bytes(static_cast<double>(n)); }

/// The vocabulary of the data, or GPT-2's where there is no data yet.
void find_vocabulary(trainer::RunConfig& config, comm::Communicator& self) {
  if (config.model.vocab_size > 0) return;
  try {
    trainer::settle_vocabulary(config, self);
  } catch (const Error&) {
    config.model.vocab_size = 50257;
    fmt::print("model.vocab_size: unknown without the data, taken as 50257\n");
  }
}

pipeline::Simulated show_schedule(const planner::Job& job, const parallel::Degrees& d) {
  const auto shape = job.shape(d);
  const auto schedule = pipeline::make_schedule(job.pipeline.pipeline_schedule);
  auto run = pipeline::simulate(pipeline::programs_of(*schedule, shape), shape, {});
  if (d.pp == 1) return run;
  fmt::print("schedule {}: {} micro-batches, bubble {:.1f} % of the step\n",
             job.pipeline.pipeline_schedule, shape.micros, 100 * run.bubble);
  fmt::print("{}", pipeline::picture(run, shape));
  return run;
}

void show_stage(const planner::Job& job, const parallel::Degrees& d, int stage,
                const pipeline::Simulated& run) {
  const parallel::Coords coords{0, 0, 0, stage};
  const auto parts = planner::parts_of(job, d, coords);
  const int stashes = run.peak_stashes[static_cast<size_t>(stage)];
  const auto memory = planner::memory_of(job, parts, d, coords, stashes);
  std::vector<std::string> layers;
  for (const auto& range : parts.ranges)
    layers.push_back(fmt::format("{}{}-{}{}", range.embedding ? "embedding " : "",
                                 range.first_layer, range.last_layer - 1,
                                 range.head ? " head" : ""));
  fmt::print("\nstage {} (layers {}): {} parameters a rank, {} buckets, {} stashes at most\n",
             stage, fmt::join(layers, ", "), text::count(static_cast<double>(parts.parameters())),
             parts.buckets.size(), stashes);
  fmt::print("  memory: weights {}, gradients {}, optimizer {}, activations {}",
             bytes(memory.weights), bytes(memory.gradients), bytes(memory.optimizer),
             bytes(memory.activations));
  if (memory.staging) fmt::print(", gradient staging {}", bytes(memory.staging));
  if (memory.gathered) fmt::print(", gathered weights {}", bytes(memory.gathered));
  fmt::print("; {} in all\n", bytes(memory.total()));
  const auto traffic = planner::step_traffic(job, d, coords);
  fmt::print("  messages of a step: {}\n{}", bytes(planner::bytes_of(traffic)),
             planner::to_text(traffic));
}

}  // namespace

int run_plan(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} file names, wanted one: echelon plan RUN.YAML [np=N] [key=value "
         "...]",
         names.size());
  std::vector<std::string> own;
  std::erase_if(overrides, [&](const std::string& word) {
    if (!word.starts_with("np=")) return false;
    own.push_back(word);
    return true;
  });
  const auto options = config::load<Options>({.file = {}, .overrides = own});
  const auto self = comm::make_self();
  auto run = trainer::load_run({.file = config_file(names[0]), .overrides = overrides}, *self);
  find_vocabulary(run.config, *self);
  const auto& p = run.config.parallel;
  const int64_t model =
      p.tensor_model_parallel_size * p.context_parallel_size * p.pipeline_model_parallel_size;
  const int ranks = static_cast<int>(options.np > 0 ? options.np : model);
  trainer::check_run(run, ranks);
  const auto d = parallel::degrees_of(p, ranks);
  const auto job = trainer::plan_job(run.config);
  fmt::print("{} ranks: data {}, tensor {}{}, pipeline {}{}, ZeRO {}\n", ranks, d.dp, d.tp,
             d.tp > 1 && job.sequence_parallel ? " with split rows" : "", d.pp,
             job.chunks() > 1 ? fmt::format(" of {} chunks", job.chunks()) : "",
             job.sharding.stage);
  fmt::print("{} parameters; {} sequences of {} a step, {} micro-batches of {} a rank\n",
             text::count(static_cast<double>(nn::parameter_count(job.model))), job.global_batch,
             job.model.seq_length, job.micros(d), job.micro_batch);
  const auto simulated = show_schedule(job, d);
  for (int stage = 0; stage < d.pp; ++stage) show_stage(job, d, stage, simulated);
  return 0;
}

}  // namespace echelon::app
