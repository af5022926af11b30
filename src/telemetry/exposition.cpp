#include "echelon/telemetry/exposition.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "echelon/base/error.h"
#include "src/telemetry/number_text.h"

namespace echelon::telemetry {

namespace {

bool is_name(std::string_view name, bool colon) {
  const auto fine = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
  };
  return !name.empty() && fine(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return fine(c) || (c >= '0' && c <= '9');
  });
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
  return out;
}

std::string number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  return number_text(v);
}

std::string series(const std::string& name, const Sample& sample) {
  Labels labels = sample.labels;
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [key, value] : labels) {
    ECH_CHECK(is_name(key, false) && !key.starts_with("__"), "label '{}' of {}", key, name);
    out += (out.empty() ? "" : ",") + key + "=\"" + escaped(value, true) + "\"";
  }
  return name + sample.suffix + (out.empty() ? "" : "{" + out + "}");
}

const char* text_of(Family::Type type) {
  switch (type) {
    case Family::Type::counter: return "counter";
    case Family::Type::gauge: return "gauge";
    case Family::Type::histogram: return "histogram";
  }
  return "";
}

}  // namespace

std::string exposition(const std::vector<Family>& families) {
  std::string out;
  std::set<std::string> seen;
  for (const Family& family : families) {
    ECH_CHECK(is_name(family.name, true) && seen.insert(family.name).second, "family '{}'",
              family.name);
    ECH_CHECK(family.type != Family::Type::counter || family.name.ends_with("_total"),
              "counter '{}' must end in _total", family.name);
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family.name, escaped(family.help, false),
                       family.name, text_of(family.type));
    for (const Sample& sample : family.samples) {
      const std::string line = series(family.name, sample);
      ECH_CHECK(seen.insert("sample " + line).second, "{} appears twice", line);
      out += line + " " + number(sample.value) + "\n";
    }
  }
  return out;
}

}  // namespace echelon::telemetry
