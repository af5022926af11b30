#pragma once
// The subcommands of the program. Each gets the words after its name and returns the exit code.
#include <filesystem>
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

/// The configuration file called `name`: as it is, or, when there is none, the one installed with
/// the program (<prefix>/share/echelon/<name>), so that configs/model/gpt2-124m.yaml works
/// anywhere.
std::filesystem::path config_file(const std::string& name);

#define X(name, summary) int run_##name(const Arguments& arguments);
#include "src/app/commands.def"
#undef X

}  // namespace echelon::app
