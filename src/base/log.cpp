#include "echelon/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace echelon::log {

namespace {
std::shared_ptr<spdlog::logger> make_logger() {
  auto logger = std::make_shared<spdlog::logger>("echelon",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  // On a terminal a log line may cover a longer progress line: clear what is left of that.
  logger->set_pattern(::isatty(STDERR_FILENO) == 1 ? "echelon: %v\033[K" : "echelon: %v");
  const char* wanted = std::getenv("ECHELON_LOG");
  logger->set_level(wanted && std::string_view(wanted) == "debug" ? spdlog::level::debug
                                                                  : spdlog::level::info);
  return logger;
}
}  // namespace

void write(Level level, std::string_view text) {
  static const std::shared_ptr<spdlog::logger> logger = make_logger();
  switch (level) {
    case Level::debug: logger->debug(text); break;
    case Level::info: logger->info(text); break;
    case Level::warn: logger->warn("warning: {}", text); break;
    case Level::error: logger->error(text); break;
  }
}

}  // namespace echelon::log
