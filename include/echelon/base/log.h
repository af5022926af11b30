#pragma once
// Diagnostics on standard error. spdlog lives in src/base/log.cpp alone.
#include <fmt/format.h>

#include <string_view>

namespace echelon::log {

enum class Level { debug, info, warn, error };

/// One line, prefixed "echelon: ". Thread-safe. Debug lines need ECHELON_LOG=debug.
void write(Level level, std::string_view text);

template <class... A>
void debug(fmt::format_string<A...> text, A&&... args) {
  write(Level::debug, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void info(fmt::format_string<A...> text, A&&... args) {
  write(Level::info, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void warn(fmt::format_string<A...> text, A&&... args) {
  write(Level::warn, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void error(fmt::format_string<A...> text, A&&... args) {
  write(Level::error, fmt::format(text, std::forward<A>(args)...));
}

}  // namespace echelon::log
