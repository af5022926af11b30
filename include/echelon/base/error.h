#pragma once
// Errors: one exception type that carries the process exit code (docs/exit-codes.md).
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace echelon {

/// Exit code of the process; 1 is never used, the launcher returns it for its own reasons.
enum class ExitCode : int {
  ok = 0,
  config = 2,
  data = 3,
  no_checkpoint = 4,
  resume_mismatch = 5,
  storage = 6,
  numerics = 7,
  diverged = 8,
  watchdog = 9,
  communication = 10,
  environment = 11,
  run_dir_in_use = 12,
  out_of_memory = 13,
  stopped_saved = 20,
  stopped_save_failed = 21,
  internal = 70,
};

/// Thrown for everything that ends the run. `what()` is the one-line message without the
/// "echelon: error" prefix: "<file|key|tensor>: found X, wanted Y; <next>; <what to do>".
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string id, const std::string& message)
      : std::runtime_error(message), code_(code), id_(std::move(id)) {}
  ExitCode code() const { return code_; }
  /// Row of the fault catalogue ("C1", "D3", "V02") or empty.
  const std::string& id() const { return id_; }

 private:
  ExitCode code_;
  std::string id_;
};

/// Throws Error(code, id) with a formatted message.
template <class... Args>
[[noreturn]] void fail(ExitCode code, std::string id, fmt::format_string<Args...> text,
                       Args&&... args) {
  throw Error(code, std::move(id), fmt::format(text, std::forward<Args>(args)...));
}

namespace detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string message);
}

/// Programmer errors: throws Error(internal) with "file:line: condition: message".
#define ECH_CHECK(cond, ...)                                                                \
  do {                                                                                      \
    if (!(cond)) [[unlikely]]                                                               \
      ::echelon::detail::check_failed(__FILE__, __LINE__, #cond, fmt::format(__VA_ARGS__)); \
  } while (false)

}  // namespace echelon
