#include "src/config/quoting.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace echelon::config {

namespace {

/// Words that some YAML reader takes for something else than text.
bool ambiguous_word(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<std::string_view, 9> words = {"true", "false", "yes", "no", "on",
                                                     "off",  "null",  "y",   "n"};
  return std::find(words.begin(), words.end(), s) != words.end();
}

bool plain_is_safe(std::string_view s) {
  if (s.empty() || ambiguous_word(std::string(s))) return false;
  const auto start = static_cast<unsigned char>(s[0]);
  if (!std::isalpha(start) && start != '/' && start != '_') return false;
  return std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/');
  });
}

}  // namespace

std::string quoted_flow(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string escape_references(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) out += '$';
    out += text[i];
  }
  return out;
}

std::string quoted_yaml(std::string_view text) {
  return plain_is_safe(text) ? std::string(text) : quoted_flow(escape_references(text));
}

}  // namespace echelon::config
