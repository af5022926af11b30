// echelon train: one rank of a run, or all of it.
#include <fmt/format.h>

#include "echelon/trainer/run.h"
#include "src/app/commands.h"
#include "src/app/ranked.h"

namespace echelon::app {

namespace {
constexpr const char* kHelp =
    R"(usage: echelon train RUN.YAML [key.sub=value ...]

Trains the model of RUN.YAML on the ranks started with this one: alone, under mpirun or srun, or with
'echelon launch np=N train RUN.YAML'. Continues from the newest checkpoint of the run directory if
there is one (checkpoint.resume). Ctrl-C or SIGUSR1: finish the step, save, stop (exit code 20).

writes   runs/<name>/checkpoints, metrics.jsonl, metrics.csv, events/, report.html, loss.svg
keys     echelon config help
example  mpirun -np 4 echelon train configs/run/quickstart.yaml train.train_iters=100
)";
}

int run_train(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  const auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} file names, wanted one: echelon train RUN.YAML [key=value ...]",
         names.size());
  const trainer::StopSignals signals;
  return run_ranked([&](comm::Communicator& world) {
    auto run = trainer::load_run({.file = config_file(names[0]), .overrides = overrides}, world);
    return static_cast<int>(trainer::run(std::move(run), world, signals));
  });
}

}  // namespace echelon::app
