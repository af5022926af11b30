#pragma once
// The subcommands of the program. Each gets the words after its name and returns the exit code.
#include <string>
#include <vector>

namespace echelon::app {

using Arguments = std::vector<std::string>;

/// Whether the words ask for help; prints `text` when they do.
bool wants_help(const Arguments& arguments, const char* text);
/// The words with '=' (overrides) and those without (names), options spelled --set k=v included.
struct SplitArguments {
  std::vector<std::string> names, overrides;
};
SplitArguments split_arguments(const Arguments& arguments);

#define X(name, summary) int run_##name(const Arguments& arguments);
#include "src/app/commands.def"
#undef X

}  // namespace echelon::app
