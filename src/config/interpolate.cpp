#include "src/config/interpolate.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "echelon/base/text.h"
#include "src/config/scalars.h"
#include "src/config/tree.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

constexpr size_t kReferenceDepth = 8;

bool is_name(std::string_view s) {
  return !s.empty() && !(s[0] >= '0' && s[0] <= '9') && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// Value of "env:NAME[,default]"; nothing when the body is no environment reference.
std::optional<std::string> environment_value(std::string body, bool allowed,
                                             std::vector<std::string>& names) {
  if (body.starts_with("oc.env:")) body.erase(0, 3);
  if (!body.starts_with("env:")) return std::nullopt;
  const size_t comma = body.find(',');
  const std::string name = body.substr(4, comma == std::string::npos ? comma : comma - 4);
  if (!is_name(name))
    throw Refused{"C21",
                  fmt::format("found '${{{}}}', wanted ${{env:NAME}} or ${{env:NAME,default}}",
                              text::escaped(body))};
  if (!allowed)
    throw Refused{"C21",
                  fmt::format("found '${{env:{}}}', but environment variables are forbidden by "
                              "--no-env; write the value",
                              name)};
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  if (const char* value = std::getenv(name.c_str())) return value;
  if (comma == std::string::npos)
    throw Refused{"C21", fmt::format("environment variable {} is not set; set it or write "
                                     "${{env:{},default}}",
                                     name, name)};
  return body.substr(comma + 1);
}

}  // namespace

bool has_reference(std::string_view text) { return text.find("${") != std::string_view::npos; }

std::string expand_environment(std::string_view text, bool allow_env,
                               std::vector<std::string>& names) {
  Interpolator only_environment(
      [](const std::string& path) -> std::string {
        throw Refused{"C21", fmt::format("found '${{{}}}', wanted only ${{env:NAME}} here",
                                         text::escaped(path))};
      },
      allow_env);
  std::string out = only_environment.expand(text, "include");
  for (const std::string& name : only_environment.environment())
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return out;
}

std::string Interpolator::expand(std::string_view text, const std::string& key) {
  std::vector<std::string> stack = {key};
  produced_ = 0;
  return expand(text, stack);
}

std::string Interpolator::expand(std::string_view text, std::vector<std::string>& stack) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with("$${")) {
      out += "${";
      i += 3;
    } else if (text.substr(i).starts_with("${")) {
      const size_t end = text.find('}', i);
      if (end == std::string_view::npos)
        throw Refused{"C21", "found '${' without '}'; write '$${' for a plain '${'"};
      out += reference(std::string(text.substr(i + 2, end - i - 2)), stack);
      i = end + 1;
    } else {
      out += text[i++];
    }
    if ((produced_ += 1) > kMaxBytes || out.size() > kMaxBytes)
      throw Refused{"C14", fmt::format("references grow beyond {} bytes", kMaxBytes)};
  }
  return out;
}

std::string Interpolator::reference(const std::string& body, std::vector<std::string>& stack) {
  if (auto value = environment_value(body, allow_env_, environment_)) return *value;
  const bool circle = std::find(stack.begin(), stack.end(), body) != stack.end();
  if (circle || stack.size() >= kReferenceDepth)
    throw Refused{"C15",
                  fmt::format("{}: {} -> {}",
                              circle ? "circle of references" : "too many references in a row",
                              text::join(stack, " -> "), text::escaped(body))};
  const std::string raw = look_(body);
  stack.push_back(body);
  std::string value = expand(raw, stack);
  stack.pop_back();
  return value;
}

}  // namespace echelon::config
