// Help texts and the reference page, from the same declarations that parse.
#include <fmt/format.h>

#include <vector>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "echelon/config/tools.h"
#include "src/config/quoting.h"
#include "src/config/scalars.h"
#include "src/config/suggest.h"

namespace echelon::config {

namespace {

/// "whole number", "one of a, b", "size in bytes (80GiB)".
std::string type_text(const Key& key) {
  switch (key.kind) {
    case Kind::size: return "size (bytes, or B kB MB GB TB KiB MiB GiB TiB)";
    case Kind::count: return "count (whole, or K M B T)";
    case Kind::duration: return "duration (ms s m h d)";
    case Kind::word:
      return fmt::format("one of {}", fmt::join(key.words.begin(), key.words.end(), ", "));
    default: return kind_name(key.kind);
  }
}

std::string default_text(const Key& key) {
  if (key.example) return "required";
  const std::string text = spelled(key.fallback, key.kind);
  return text.empty() ? "\"\"" : text;
}

std::string_view resume_text(const Key& key) {
  return key.on_resume == OnResume::may_change ? "may change" : "must match";
}

std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string table_row(const Key& key) {
  return fmt::format("| `{}` | {} | `{}` | {} | {} | {} |\n", key.last(), cell(type_text(key)),
                     cell(default_text(key)), range_text(key), resume_text(key), cell(key.doc));
}

std::string_view parent(const Key& key) {
  const size_t dot = key.path.rfind('.');
  return std::string_view(key.path).substr(0, dot == std::string::npos ? 0 : dot);
}

std::string table(const Settings& settings, std::string_view section) {
  std::string rows;
  for (const Setting& s : settings.items)
    if (parent(s.key) == section) rows += table_row(s.key);
  if (rows.empty()) return "";
  return "| key | type | default | range | on resume | meaning |\n|---|---|---|---|---|---|\n" +
         rows;
}

std::string key_help(const Key& key) {
  const std::string range = range_text(key);
  std::string out = fmt::format("{}: {}\n", key.path, key.doc);
  out += fmt::format("  type:      {}\n", type_text(key));
  out += fmt::format("  default:   {}\n", default_text(key));
  if (key.example) out += fmt::format("  example:   {}\n", *key.example);
  if (!range.empty()) out += fmt::format("  range:     {}\n", range);
  return out + fmt::format("  on resume: {}\n", resume_text(key));
}

std::string short_line(const Key& key) {
  return fmt::format("{:<44} {:<14} {}\n", key.path, default_text(key), key.doc);
}

}  // namespace

std::string help(const Settings& settings, std::string_view name) {
  if (const Setting* s = settings.find(name)) return key_help(s->key);
  if (const Section* section = settings.section(name)) {
    std::string out = fmt::format("{}: {}\n", name, section->doc);
    for (const Setting& s : settings.items)
      if (s.key.path.starts_with(fmt::format("{}.", name))) out += short_line(s.key);
    return out;
  }
  const std::string hint = suggestion(std::string(name), settings);
  fail(ExitCode::config, "C1", "command line: unknown key '{}'{}{}", text::escaped(name),
       hint.empty() ? "" : "; ", hint);
}

std::string help_all(const Settings& settings) {
  std::string out;
  for (const Setting& s : settings.items) out += short_line(s.key);
  return out;
}

std::string markdown(const Settings& settings) {
  std::string out =
      "# Configuration reference\n\nGenerated from the field lists by `echelon config docs`; "
      "do not edit.\n\n";
  if (const std::string top = table(settings, ""); !top.empty()) out += top + "\n";
  for (const Section& section : settings.sections)
    out += fmt::format("## `{}`\n\n{}\n\n{}\n", section.path, section.doc,
                       table(settings, section.path));
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace echelon::config
