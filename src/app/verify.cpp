// echelon verify: proof that a configuration's layout computes what one rank computes.
#include <fmt/format.h>

#include <cstdio>

#include "echelon/comm/world.h"
#include "src/app/commands.h"
#include "src/trainer/verify.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon verify RUN.YAML [np=N] [steps=K] [grid=N] [key.sub=value ...]

Shrinks the model of RUN.YAML (widths, layers, vocabulary, sequence and batch as small as its layout
allows; style, ratios, schedule, dropout, optimizer and ZeRO stage stay), trains K updates (default 3)
with N ranks as threads of this process and on one rank, from the same weights and rows, and compares
loss, gradients and updates of every tensor. Without np: tensor x pipeline x 2 data-parallel ranks.
  grid=N   every layout of N ranks, one line each
Exit code 0: equal within the tolerances of docs/numerics.md; 8: different.

example: echelon verify configs/run/quickstart.yaml np=4 parallel.tensor_model_parallel_size=2
)";

struct Options {
  int64_t np = 0, steps = 3, grid = 0;
  void fields(config::Fields& f) {
    f.integer("np", np, {0, 256}, "Ranks; 0: the smallest with data parallelism of 2 up to 8.");
    f.integer("steps", steps, {1, 1000}, "Updates.");
    f.integer("grid", grid, {0, 64}, "Every layout of so many ranks.");
  }
};

int ranks_for(const trainer::RunConfig& config, int64_t wanted) {
  if (wanted > 0) return static_cast<int>(wanted);
  const auto& p = config.parallel;
  const int64_t model =
      p.tensor_model_parallel_size * p.context_parallel_size * p.pipeline_model_parallel_size;
  return static_cast<int>(model * (2 * model <= 8 ? 2 : 1));
}

/// The rules that shrinking would make true: does the user's own model fit the layout? The batch is
/// the one of other rank counts and the vocabulary that of the data, so both are taken to fit.
void check_own(trainer::LoadedRun run, int ranks) {
  auto& c = run.config;
  const auto d = parallel::degrees_of(c.parallel, ranks);
  const int64_t unit = c.train.micro_batch_size * d.dp * d.pp;
  c.train.global_batch_size = (c.train.global_batch_size + unit - 1) / unit * unit;
  c.train.rampup_batch_size.clear();
  if (c.model.vocab_size == 0) c.model.vocab_size = 50257;
  trainer::check_run(run, ranks);
}

int verify_one(const trainer::LoadedRun& run, const Options& options) {
  const int ranks = ranks_for(run.config, options.np);
  check_own(run, ranks);
  const trainer::LoadedRun small{trainer::shrunk(run.config, ranks), run.settings};
  trainer::check_run(small, ranks);
  const auto& m = small.config.model;
  fmt::print("{}\n{} layers, hidden {}, {} heads, vocabulary {}, sequence {}, batch {} of {}\n",
             trainer::layout_text(small.config, ranks), m.num_layers, m.hidden_size,
             m.num_attention_heads, m.vocab_size, m.seq_length,
             small.config.train.global_batch_size, small.config.train.micro_batch_size);
  const auto verdict = trainer::verify(small.config, ranks, options.steps);
  fmt::print("{}",
             trainer::to_text(verdict, trainer::layout_text(small.config, ranks), options.steps));
  return verdict.equal ? 0 : static_cast<int>(ExitCode::diverged);
}

int verify_grid(const trainer::LoadedRun& run, const Options& options) {
  const int ranks = static_cast<int>(options.grid);
  const auto layouts = trainer::layouts_of(run.config, ranks);
  fmt::print("{:<44}{:>10}{:>10}{:>10}{:>10}\n", "layout", "loss", "gradient", "later", "update");
  int different = 0;
  for (const auto& config : layouts) {
    const auto name = trainer::layout_text(config, ranks);
    std::string result;
    try {
      trainer::check_run({config, run.settings}, ranks);
      const auto v = trainer::verify(config, ranks, options.steps);
      result = fmt::format("{:>10.1e}{:>10.1e}{:>10.1e}{:>10.1e}  {}", v.loss, v.worst_gradient(),
                           v.worst_later(), v.worst_update(),
                           v.equal                 ? "equal"
                           : v.first_wrong.empty() ? "DIFFERENT"
                                                   : "DIFFERENT from " + v.first_wrong);
      different += !v.equal;
    } catch (const Error& error) {
      if (error.code() == ExitCode::config) {
        result = fmt::format("  refused: {}", error.what());
      } else {
        result = fmt::format("  FAILED: {}", error.what());
        ++different;
      }
    }
    fmt::print("{:<44}{}\n", name, result);
    std::fflush(stdout);
  }
  fmt::print("{} layouts, {} different\n", layouts.size(), different);
  return different ? static_cast<int>(ExitCode::diverged) : 0;
}

}  // namespace

int run_verify(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} file names, wanted one: echelon verify RUN.YAML [key=value ...]",
         names.size());
  std::vector<std::string> own;
  std::erase_if(overrides, [&](const std::string& word) {
    if (!word.starts_with("np=") && !word.starts_with("steps=") && !word.starts_with("grid="))
      return false;
    own.push_back(word);
    return true;
  });
  const auto options = config::load<Options>({.file = {}, .overrides = own});
  const auto world = comm::make_self();
  const auto run =
      trainer::load_run({.file = config_file(names[0]), .overrides = overrides}, *world);
  return options.grid > 0 ? verify_grid(run, options) : verify_one(run, options);
}

}  // namespace echelon::app
