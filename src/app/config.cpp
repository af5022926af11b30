// echelon config: the resolved configuration with origins, the reference, the schema, differences.
#include "echelon/config/tools.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "echelon/comm/world.h"
#include "echelon/trainer/run_config.h"
#include "src/app/commands.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon config RUN.YAML [key.sub=value ...]   the resolved configuration, each line with its origin
       echelon config check RUN.YAML [np=N] [key=value ...]  only check it, for N ranks (default 1)
       echelon config help [KEY]      what a key or section means; without KEY all keys, a line each
       echelon config docs            the reference as Markdown (docs/config.md is made of it)
       echelon config schema          JSON Schema for editors
       echelon config diff A.YAML B.YAML   keys that differ
)";

config::Settings declared() { return config::settings_of(trainer::RunConfig{}); }

config::Settings settings_from(const std::string& file, const std::vector<std::string>& overrides) {
  config::Settings settings;
  config::load<trainer::RunConfig>({.file = config_file(file), .overrides = overrides}, &settings);
  return settings;
}

int check(const std::string& file, std::vector<std::string> overrides) {
  int ranks = 1;
  std::erase_if(overrides, [&](const std::string& word) {
    if (!word.starts_with("np=")) return false;
    ranks = std::max(1, std::atoi(word.c_str() + 3));
    return true;
  });
  const auto world = comm::make_self();
  const auto run = trainer::load_run({.file = config_file(file), .overrides = overrides}, *world);
  trainer::check_run(run, ranks);
  fmt::print("{}: fine for {} rank{}\n", file, ranks, ranks == 1 ? "" : "s");
  return 0;
}

}  // namespace

int run_config(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  const auto [names, overrides] = split_arguments(arguments);
  const std::string what = names.empty() ? "" : names[0];
  if (what == "help")
    fmt::print(
        "{}", names.size() > 1 ? config::help(declared(), names[1]) : config::help_all(declared()));
  else if (what == "docs")
    fmt::print("{}", config::markdown(declared()));
  else if (what == "schema")
    fmt::print("{}\n", config::json_schema(declared()).dump(2));
  else if (what == "diff" && names.size() == 3)
    fmt::print(
        "{}", config::diff(settings_from(names[1], overrides), settings_from(names[2], overrides)));
  else if (what == "check" && names.size() == 2)
    return check(names[1], overrides);
  else if (names.size() == 1)
    fmt::print("{}", config::resolved_yaml(settings_from(what, overrides)));
  else
    fail(ExitCode::config, "C21",
         "command line: found no file, wanted echelon config RUN.YAML, or help, docs, "
         "schema, diff, check");
  return 0;
}

}  // namespace echelon::app
