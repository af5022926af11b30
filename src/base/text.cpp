#include "echelon/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace echelon::text {

int edit_distance(std::string_view a, std::string_view b) {
  const size_t n = a.size(), m = b.size();
  std::vector<std::vector<int>> d(n + 1, std::vector<int>(m + 1));
  for (size_t i = 0; i <= n; ++i) d[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= m; ++j) d[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= n; ++i)
    for (size_t j = 1; j <= m; ++j) {
      const int cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[n][m];
}

std::optional<std::string> nearest(std::string_view wanted, std::span<const std::string> known) {
  const int limit = std::max(2, static_cast<int>(wanted.size()) / 4);
  std::optional<std::string> best;
  int best_distance = limit + 1;
  for (const auto& candidate : known)
    if (const int d = edit_distance(wanted, candidate); d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  return best;
}

namespace {
/// Length of the valid UTF-8 sequence at s[i], 0 when invalid or a control character.
size_t printable_length(std::string_view s, size_t i) {
  const auto at = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char c = at(i);
  if (c < 0x80) return c >= 0x20 && c != 0x7F ? 1 : 0;
  const size_t n = c >= 0xF0 && c < 0xF5   ? 4
                   : c >= 0xE0 && c < 0xF0 ? 3
                   : c >= 0xC2 && c < 0xE0 ? 2
                                           : 0;
  if (n == 0 || i + n > s.size()) return 0;
  for (size_t k = 1; k < n; ++k)
    if ((at(i + k) & 0xC0) != 0x80) return 0;
  return c == 0xC2 && at(i + 1) < 0xA0 ? 0 : n;
}
}  // namespace

std::string escaped(std::string_view raw, size_t limit) {
  std::string out;
  for (size_t i = 0; i < raw.size();) {
    if (out.size() >= limit) return out + "...";
    if (const size_t n = printable_length(raw, i); n > 0) {
      out += raw.substr(i, n);
      i += n;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(raw[i++]));
    }
  }
  return out;
}

namespace {
std::string scaled(double value, const char* gap, std::array<const char*, 5> units) {
  size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units.size()) value /= 1000, ++unit;
  const int digits = unit == 0                  ? 0
                     : std::abs(value) >= 99.95 ? 0
                     : std::abs(value) >= 9.995 ? 1
                                                : 2;
  return fmt::format("{:.{}f}{}{}", value, digits, gap, units[unit]);
}
}  // namespace

std::string bytes(double count) { return scaled(count, " ", {"B", "kB", "MB", "GB", "TB"}); }
std::string count(double value) { return scaled(value, "", {"", "K", "M", "G", "T"}); }

std::string duration(double seconds) {
  if (seconds < 9.995) return fmt::format("{:.2f}s", seconds);
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h {:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d {:02}h", s / 86400, s % 86400 / 3600);
}

std::vector<std::string> split(std::string_view s, char separator) {
  std::vector<std::string> parts;
  for (size_t from = 0;;) {
    const size_t to = s.find(separator, from);
    parts.emplace_back(s.substr(from, to == std::string_view::npos ? to : to - from));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts.begin(), parts.end(), separator));
}

}  // namespace echelon::text
