#pragma once
// Small text helpers shared by messages, progress lines and reports.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace echelon::text {

/// Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours).
int edit_distance(std::string_view a, std::string_view b);
/// Nearest candidate within max(2, length/4) edits, or nothing.
std::optional<std::string> nearest(std::string_view wanted, std::span<const std::string> known);
/// Control characters and invalid UTF-8 as \xNN; cut at `limit` bytes with "...".
std::string escaped(std::string_view raw, size_t limit = 200);
/// "1.5 GB" (powers of 1000).
std::string bytes(double count);
/// "1.50M", "124M": three significant digits with K, M, G, T.
std::string count(double value);
/// "2m 05s", "1h 02m", "0.84s".
std::string duration(double seconds);
std::vector<std::string> split(std::string_view s, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

}  // namespace echelon::text
