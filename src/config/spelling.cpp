// How values, kinds and ranges are written.
#include <charconv>
#include <cmath>
#include <limits>

#include "echelon/base/error.h"
#include "src/config/quoting.h"
#include "src/config/scalars.h"
#include "src/config/units.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

/// The largest unit that divides the value exactly, from 1,000,000 up (sizes: 1 KiB up).
std::string size_text(int64_t value) {
  for (size_t i = kSizeUnits.size(); i-- > 7;)
    if (value != 0 && value % kSizeUnits[i].factor == 0)
      return fmt::format("{}{}", value / kSizeUnits[i].factor, kSizeUnits[i].name);
  return fmt::format("{}", value);
}

std::string count_text(int64_t value) {
  for (size_t i = kCountUnits.size(); i-- > 2;)
    if (value != 0 && value % kCountUnits[i].factor == 0)
      return fmt::format("{}{}", value / kCountUnits[i].factor, kCountUnits[i].name);
  return fmt::format("{}", value);
}

std::string duration_text(double seconds) {
  if (seconds >= 60 && seconds < 1e15 && seconds == std::floor(seconds)) {
    auto rest = static_cast<int64_t>(seconds);
    std::string out;
    for (const auto& [name, factor] :
         {Unit{"d", 86400}, Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}}) {
      if (rest / factor > 0) out += fmt::format("{}{}", rest / factor, name);
      rest %= factor;
    }
    return out;
  }
  char buffer[1200];  // a double in fixed notation has at most 1,077 characters
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, seconds, std::chars_format::fixed);
  return std::string(buffer, end.ptr) + "s";
}

template <class T>
std::string list_text(const std::vector<T>& values) {
  std::string out;
  for (const T& v : values) {
    if (!out.empty()) out += ", ";
    if constexpr (std::is_same_v<T, std::string>)
      out += quoted_yaml(v);
    else if constexpr (std::is_same_v<T, double>)
      out += real_text(v);
    else
      out += fmt::format("{}", v);
  }
  return "[" + out + "]";
}

template <class T>
std::string bounds(T least, T most, bool open_below, bool open_above) {
  if (open_below && open_above) return "";
  if (open_above) return fmt::format("at least {}", least);
  if (open_below) return fmt::format("at most {}", most);
  return fmt::format("{} .. {}", least, most);
}

}  // namespace

std::string real_text(double value) { return fmt::format("{}", value); }

std::string spelled(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::boolean: return std::get<bool>(value) ? "true" : "false";
    case Kind::integer: return fmt::format("{}", std::get<int64_t>(value));
    case Kind::size: return size_text(std::get<int64_t>(value));
    case Kind::count: return count_text(std::get<int64_t>(value));
    case Kind::real: return real_text(std::get<double>(value));
    case Kind::duration: return duration_text(std::get<double>(value));
    case Kind::integers: return list_text(std::get<std::vector<int64_t>>(value));
    case Kind::reals: return list_text(std::get<std::vector<double>>(value));
    case Kind::texts: return list_text(std::get<std::vector<std::string>>(value));
    default: return std::get<std::string>(value);
  }
}

bool is_list(Kind kind) {
  return kind == Kind::integers || kind == Kind::reals || kind == Kind::texts;
}

Kind element_kind(Kind kind) {
  return kind == Kind::integers ? Kind::integer
         : kind == Kind::reals  ? Kind::real
         : kind == Kind::texts  ? Kind::text
                                : kind;
}

std::string kind_name(Kind kind) {
  switch (kind) {
    case Kind::boolean: return "true or false";
    case Kind::integer: return "whole number";
    case Kind::real: return "number";
    case Kind::text: return "text";
    case Kind::path: return "path";
    case Kind::size: return "size in bytes";
    case Kind::count: return "count";
    case Kind::duration: return "duration";
    case Kind::word: return "one of";
    case Kind::integers: return "list of whole numbers";
    case Kind::reals: return "list of numbers";
    case Kind::texts: return "list of texts";
  }
  ECH_CHECK(false, "unknown kind");
  return "";
}

std::string range_text(const Key& key) {
  switch (element_kind(key.kind)) {
    case Kind::integer:
    case Kind::size:
    case Kind::count: {
      using L = std::numeric_limits<int64_t>;
      return bounds(key.ints.least, key.ints.most, key.ints.least == L::min(),
                    key.ints.most == L::max());
    }
    case Kind::real:
    case Kind::duration: {
      using L = std::numeric_limits<double>;
      return bounds(real_text(key.reals.least), real_text(key.reals.most),
                    key.reals.least == L::lowest(), key.reals.most == L::max()) +
             (key.kind == Kind::duration && key.reals.least != L::lowest() ? " seconds" : "");
    }
    default: return "";
  }
}

std::string wanted(const Key& key) {
  if (key.kind == Kind::word)
    return fmt::format("one of {}", fmt::join(key.words.begin(), key.words.end(), ", "));
  if (key.kind == Kind::boolean) return "true or false";
  const std::string range = range_text(key);
  const std::string gap = range.empty() ? "" : range.find("..") != std::string::npos ? " in " : " ";
  return fmt::format("a {}{}{}", kind_name(key.kind), gap, range);
}

}  // namespace echelon::config
