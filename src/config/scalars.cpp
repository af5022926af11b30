#include "src/config/scalars.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <charconv>
#include <optional>
#include <span>

#include "echelon/base/text.h"
#include "src/config/tree.h"
#include "src/config/units.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

/// Length of digits[.digits] without a leading zero at the start of s, 0 when there is none.
size_t decimal_length(std::string_view s) {
  size_t i = 0;
  while (i < s.size() && digit(s[i])) ++i;
  if (i == 0 || (i > 1 && s[0] == '0')) return 0;
  if (i + 1 < s.size() && s[i] == '.' && digit(s[i + 1])) {
    ++i;
    while (i < s.size() && digit(s[i])) ++i;
  }
  return i;
}

std::string_view without_minus(std::string_view s) { return s.starts_with('-') ? s.substr(1) : s; }

[[noreturn]] void refuse(const char* id, const Key& key, std::string_view hint = "") {
  throw Refused{id, wanted(key) + (hint.empty() ? "" : fmt::format(" ({})", hint))};
}

/// Hint for texts that other YAML readers would turn into a value.
void refuse_surprise(const Key& key, std::string_view s) {
  const std::string_view body = without_minus(s.starts_with('+') ? s.substr(1) : s);
  constexpr std::array<std::string_view, 9> no_number = {".nan", ".NaN", ".NAN", ".inf",    ".Inf",
                                                         ".INF", "nan",  "inf",  "infinity"};
  if (std::find(no_number.begin(), no_number.end(), body) != no_number.end())
    refuse("C12", key, "not a number and infinity are not allowed");
  if (s.empty() || s == "~") refuse("C13", key, "the value is empty");
  if (s.starts_with('+')) refuse("C13", key, "leave out the '+'");
  if (body.size() > 1 && body[0] == '0' && (digit(body[1]) || body[1] == 'x' || body[1] == 'o'))
    refuse("C13", key, "decimal digits, no leading zero");
  if (s.find('_') != std::string_view::npos) refuse("C13", key, "leave out the '_'");
}

int64_t parse_integer(const Key& key, std::string_view s) {
  refuse_surprise(key, s);
  const std::string_view body = without_minus(s);
  if (!std::all_of(body.begin(), body.end(), digit) || body.empty()) {
    const size_t n = decimal_length(body);
    const bool number = n == body.size() || (n > 0 && (body[n] == 'e' || body[n] == 'E'));
    refuse(number ? "C13" : "C2", key, number ? "digits only" : "");
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc{} || end != s.data() + s.size())
    refuse("C11", key, "does not fit 64 bits");
  if (value < key.ints.least || value > key.ints.most) refuse("C10", key);
  return value;
}

double parse_real(const Key& key, std::string_view s) {
  refuse_surprise(key, s);
  const std::string_view body = without_minus(s);
  const size_t n = decimal_length(body);
  if (n == 0)
    refuse(!body.empty() && body[0] == '.' ? "C13" : "C2", key, "digits before the point");
  std::string_view exponent = body.substr(n);
  if (!exponent.empty()) {
    if (exponent == ".") refuse("C13", key, "digits after the point");
    if (exponent[0] != 'e' && exponent[0] != 'E') refuse("C2", key);
    exponent.remove_prefix(1);
    if (!exponent.empty() && (exponent[0] == '+' || exponent[0] == '-')) exponent.remove_prefix(1);
    if (exponent.empty() || !std::all_of(exponent.begin(), exponent.end(), digit))
      refuse("C2", key);
  }
  const bool zero = body.substr(0, n).find_first_of("123456789") == std::string_view::npos;
  double value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  static_cast<void>(end);
  if (!zero && (error != std::errc{} || !(std::abs(value) <= DBL_MAX) || std::abs(value) < DBL_MIN))
    refuse("C12", key, "too large or too small for a number");
  if (zero) value = s.starts_with('-') ? -0.0 : 0.0;
  if (value < key.reals.least || value > key.reals.most) refuse("C10", key);
  return value;
}

/// digits[.digits] as mantissa / 10^scale.
struct Decimal {
  unsigned __int128 mantissa = 0;
  int scale = 0;
};

std::optional<Decimal> decimal(std::string_view s) {
  Decimal d;
  bool after_point = false;
  if (s.size() > 19) return std::nullopt;
  for (char c : s) {
    if (c == '.') {
      after_point = true;
      continue;
    }
    d.mantissa = d.mantissa * 10 + static_cast<unsigned>(c - '0');
    d.scale += after_point;
  }
  return d;
}

std::string unit_names(std::span<const Unit> units) {
  std::string names;
  for (const Unit& u : units)
    if (!u.name.empty()) names += (names.empty() ? "units " : " ") + std::string(u.name);
  return names;
}

int64_t parse_scaled(const Key& key, std::string_view s, std::span<const Unit> units) {
  if (s.starts_with('-') && decimal_length(s.substr(1)) > 0) refuse("C10", key);
  refuse_surprise(key, s);
  const size_t n = decimal_length(s);
  std::string_view name = s.substr(n);
  if (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  const bool bare_fraction = key.kind == Kind::size &&
                             s.find_first_not_of("0123456789.") > s.size() &&
                             s.find('.') != std::string_view::npos;
  if (n == 0 || unit == units.end() || (name.empty() && n != s.size()) || bare_fraction)
    refuse(n > 0 && (name.starts_with('e') || name.starts_with('.')) ? "C13" : "C2", key,
           unit_names(units));
  const auto number = decimal(s.substr(0, n));
  if (!number) refuse("C11", key, "too many digits");
  unsigned __int128 value = number->mantissa * static_cast<unsigned __int128>(unit->factor);
  for (int i = 0; i < number->scale; ++i) {
    if (value % 10 != 0) refuse("C2", key, "the product must be whole");
    value /= 10;
  }
  if (value > static_cast<unsigned __int128>(INT64_MAX)) refuse("C11", key, "does not fit 64 bits");
  const auto result = static_cast<int64_t>(value);
  if (result < key.ints.least || result > key.ints.most) refuse("C10", key);
  return result;
}

double seconds_of(const Key& key, std::string_view number, const Unit& unit) {
  if (unit.name == "s") {
    double value = 0;
    std::from_chars(number.data(), number.data() + number.size(), value);
    return value;
  }
  const auto d = decimal(number);
  if (!d) refuse("C11", key, "too many digits");
  long double value = static_cast<long double>(d->mantissa) * static_cast<long double>(unit.factor);
  long double divisor = unit.name == "ms" ? 1000.0L : 1.0L;
  for (int i = 0; i < d->scale; ++i) divisor *= 10;
  return static_cast<double>(value / divisor);
}

double parse_duration(const Key& key, std::string_view s) {
  if (s.starts_with('-') && decimal_length(s.substr(1)) > 0) refuse("C10", key);
  refuse_surprise(key, s);
  double total = 0;
  for (std::string_view rest = s; !rest.empty();) {
    const size_t n = decimal_length(rest);
    const std::string_view number = rest.substr(0, n);
    rest.remove_prefix(n);
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const auto unit = std::find_if(kTimeUnits.begin(), kTimeUnits.end(), [&](const Unit& u) {
      return u.name == rest.substr(0, letters);
    });
    if (n == 0 || unit == kTimeUnits.end())
      refuse("C2", key, unit_names(kTimeUnits) + ", for example 1h30m");
    total += seconds_of(key, number, *unit);
    rest.remove_prefix(letters);
    if (rest.size() > 1 && rest[0] == ' ') rest.remove_prefix(1);
  }
  if (!(total <= DBL_MAX)) refuse("C12", key);
  if (total < key.reals.least || total > key.reals.most) refuse("C10", key);
  return total;
}

std::string parse_word(const Key& key, std::string_view s) {
  if (std::find(key.words.begin(), key.words.end(), s) != key.words.end()) return std::string(s);
  const auto near = text::nearest(s, key.words);
  throw Refused{"C2", wanted(key) + (near ? fmt::format("; did you mean '{}'?", *near) : "")};
}

std::string parse_text(const Key& key, std::string_view s) {
  for (size_t i = 0, n; i < s.size(); i += n) {
    const auto c = static_cast<unsigned char>(s[i]);
    n = utf8_length(s, i);
    if (n == 0) throw Refused{"C18", fmt::format("UTF-8 text (byte {} is invalid)", i)};
    const bool c1 = c == 0xC2 && static_cast<unsigned char>(s[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || c1)
      throw Refused{"C18", fmt::format("text without control characters (byte {})", i)};
  }
  if (key.kind != Kind::path) return std::string(s);
  if (s.starts_with('~'))
    throw Refused{"C19",
                  "a path without '~', which is not expanded here; write it out or use "
                  "${env:HOME}"};
  if (const size_t at = s.find('$');
      at != std::string_view::npos && !s.substr(at).starts_with("${"))
    throw Refused{"C19", "a path without '$NAME', which is not expanded here; use ${env:NAME}"};
  return std::string(s);
}

}  // namespace

Value parse_scalar(const Key& key, std::string_view s) {
  switch (element_kind(key.kind)) {
    case Kind::boolean:
      if (s == "true" || s == "false") return s == "true";
      refuse("C13", key);
    case Kind::integer: return parse_integer(key, s);
    case Kind::real: return parse_real(key, s);
    case Kind::size: return parse_scaled(key, s, kSizeUnits);
    case Kind::count: return parse_scaled(key, s, kCountUnits);
    case Kind::duration: return parse_duration(key, s);
    case Kind::word: return parse_word(key, s);
    default: return parse_text(key, s);
  }
}

}  // namespace echelon::config
