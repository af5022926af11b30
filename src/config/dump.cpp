// The resolved configuration as text: for people, for other ranks, for digests.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/config/tools.h"
#include "src/config/quoting.h"

namespace echelon::config {

namespace {

std::string yaml_value(const Setting& s) {
  const std::string text = spelled(s.value, s.key.kind);
  const bool textual =
      s.key.kind == Kind::text || s.key.kind == Kind::path || s.key.kind == Kind::word;
  return textual ? quoted_yaml(text) : text;
}

/// Settings directly below `prefix` ("" or "a.b."), then its sections, in declaration order.
class Writer {
 public:
  Writer(const Settings& settings, bool origins) : settings_(settings), origins_(origins) {}

  std::string run() {
    if (origins_ && !settings_.environment.empty())
      out_ += fmt::format("# environment: {}\n", text::join(settings_.environment, " "));
    section("", 0);
    return out_.empty() ? "{}\n" : std::move(out_);
  }

 private:
  static bool directly_below(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) && path.find('.', prefix.size()) == std::string_view::npos;
  }
  void section(const std::string& prefix, size_t indent) {
    const std::string margin(indent, ' ');
    const size_t before = out_.size();
    for (const Setting& s : settings_.items)
      if (directly_below(s.key.path, prefix)) line(margin, s);
    for (const Section& s : settings_.sections) {
      if (!directly_below(s.path, prefix)) continue;
      out_ += fmt::format("{}{}:\n", margin, s.path.substr(prefix.size()));
      section(s.path + ".", indent + 2);
    }
    // A mapping without keys would read as an empty value.
    if (out_.size() == before && !prefix.empty()) out_.insert(out_.size() - 1, " {}");
  }
  void line(const std::string& margin, const Setting& s) {
    std::string text = fmt::format("{}{}: {}", margin, s.key.last(), yaml_value(s));
    if (origins_) text = fmt::format("{:<44}  # {}", text, text::escaped(s.origin.text()));
    out_ += text + "\n";
  }

  const Settings& settings_;
  bool origins_;
  std::string out_;
};

std::string sha256_of(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

std::string resolved_yaml(const Settings& settings, bool origins) {
  return Writer(settings, origins).run();
}

std::string canonical(const Settings& settings, bool only_must_match) {
  std::vector<std::string> lines;
  for (const Setting& s : settings.items)
    if (!only_must_match || s.key.on_resume == OnResume::must_match)
      lines.push_back(fmt::format("{} = {}\n", s.key.path, yaml_value(s)));
  std::sort(lines.begin(), lines.end());
  return text::join(lines, "");
}

std::string digest(const Settings& settings) { return sha256_of(canonical(settings)); }
std::string resume_digest(const Settings& settings) { return sha256_of(canonical(settings, true)); }

std::string diff(const Settings& a, const Settings& b, bool only_must_match) {
  std::string out;
  for (const Setting& left : a.items) {
    if (only_must_match && left.key.on_resume != OnResume::must_match) continue;
    const Setting* right = b.find(left.key.path);
    ECH_CHECK(right != nullptr, "{} is missing on one side", left.key.path);
    if (left.value != right->value)
      out += fmt::format("{}: {} -> {}\n", left.key.path, yaml_value(left), yaml_value(*right));
  }
  return out;
}

}  // namespace echelon::config
