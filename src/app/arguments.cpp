#include <fmt/format.h>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "src/app/commands.h"

namespace echelon::app {

bool wants_help(const Arguments& arguments, const char* text) {
  for (const auto& word : arguments)
    if (word == "--help" || word == "-h") {
      fmt::print("{}", text);
      return true;
    }
  return false;
}

SplitArguments split_arguments(const Arguments& arguments) {
  SplitArguments result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--set") {
      if (++i == arguments.size())
        fail(ExitCode::config, "C21",
             "command line: found '--set' at the end, wanted --set key=value");
      result.overrides.push_back(arguments[i]);
    } else if (word.starts_with("--")) {
      fail(ExitCode::config, "C21",
           "command line: found '{}', wanted a file or key.sub=value; there are no other options",
           text::escaped(word));
    } else if (word.find('=') != std::string::npos || word.starts_with("~")) {
      result.overrides.push_back(word);
    } else {
      result.names.push_back(word);
    }
  }
  return result;
}

std::filesystem::path config_file(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::exists(name, ignored)) return name;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / "share/echelon" / name;
  return fs::path(name).is_relative() && fs::exists(installed, ignored) ? installed
                                                                        : fs::path(name);
}

}  // namespace echelon::app
