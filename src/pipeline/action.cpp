#include "echelon/pipeline/action.h"

#include <array>
#include <cstdio>
#include <sstream>

#include "echelon/base/error.h"

namespace echelon::pipeline {

namespace {
constexpr std::array<const char*, 8> kNames = {"F", "B", "I", "W", "SA", "RA", "SG", "RG"};
}

bool is_compute(Kind kind) { return kind <= Kind::W; }

std::string to_string(const Action& action) {
  return fmt::format("{}{}.{}", kNames[static_cast<size_t>(action.kind)], action.stage,
                     action.micro);
}

std::string to_string(const Program& program) {
  std::string text;
  for (const auto& action : program) {
    if (!text.empty()) text += ' ';
    text += to_string(action);
  }
  return text;
}

Program parse_program(const std::string& text) {
  Program program;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t digits = word.find_first_of("0123456789");
    Action action;
    int end = 0;
    bool known = false;
    if (digits != std::string::npos)
      for (size_t k = 0; k < kNames.size(); ++k)
        if (word.substr(0, digits) == kNames[k]) action.kind = static_cast<Kind>(k), known = true;
    if (!known ||
        std::sscanf(word.c_str() + digits, "%d.%d%n", &action.stage, &action.micro, &end) != 2 ||
        digits + static_cast<size_t>(end) != word.size())
      fail(ExitCode::config, "C13", "schedule: found '{}', wanted an action like F0.3", word);
    program.push_back(action);
  }
  return program;
}

}  // namespace echelon::pipeline
