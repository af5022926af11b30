// echelon: the program. Finds the subcommand, turns errors into one line and an exit code.
#include <fmt/format.h>

#include <cstdio>
#include <new>

#include "echelon/base/error.h"
#include "echelon/base/log.h"
#include "echelon/base/text.h"
#include "echelon/comm/world.h"
#include "src/app/commands.h"
#include "src/app/environment.h"
#include "src/app/processor.h"

namespace {

using echelon::app::Arguments;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&);
};

constexpr Command kCommands[] = {
#define X(name, summary) {#name, summary, echelon::app::run_##name},
#include "src/app/commands.def"
#undef X
};

void print_help() {
  fmt::print("echelon " ECHELON_VERSION
             ": trains GPT models on CPU and GPU ranks\n\nusage: echelon COMMAND ...\n\n");
  for (const auto& command : kCommands) fmt::print("  {:<10}{}\n", command.name, command.summary);
  fmt::print(
      "\nStart ranks with 'echelon launch np=4 train run.yaml', 'mpirun -np 4 echelon train "
      "run.yaml'"
      " or srun.\n'echelon COMMAND --help' tells more.\n");
}

int unknown(const std::string& word) {
  std::vector<std::string> names;
  for (const auto& command : kCommands) names.emplace_back(command.name);
  const auto nearest = echelon::text::nearest(word, names);
  echelon::fail(echelon::ExitCode::config, "C21", "command line: found '{}', wanted one of {}{}",
                echelon::text::escaped(word), echelon::text::join(names, ", "),
                nearest ? fmt::format("; did you mean '{}'?", *nearest) : "");
}

int dispatch(int argc, char** argv) {
  echelon::app::require_processor();
  if (argc < 2 || std::string(argv[1]) == "--help" || std::string(argv[1]) == "-h") {
    print_help();
    return argc < 2 ? static_cast<int>(echelon::ExitCode::config) : 0;
  }
  const std::string word = argv[1];
  echelon::app::settle_waiting(word, argv);
  if (word == "--version") {
    fmt::print("echelon " ECHELON_VERSION "\n");
    return 0;
  }
  for (const auto& command : kCommands)
    if (word == command.name) return command.run(Arguments(argv + 2, argv + argc));
  return unknown(word);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return dispatch(argc, argv);
  } catch (const echelon::Error& error) {
    // Words are wrong on every rank alike: one of them says so.
    if (echelon::comm::launched_rank().rank == 0)
      echelon::log::error("error{}{}: {}", error.id().empty() ? "" : " ", error.id(), error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    echelon::log::error("error E9: host memory: found none left; nothing was written");
    return static_cast<int>(echelon::ExitCode::out_of_memory);
  } catch (const std::exception& error) {
    echelon::log::error("error: {}", error.what());
    return static_cast<int>(echelon::ExitCode::internal);
  }
}
