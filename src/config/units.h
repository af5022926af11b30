#pragma once
// Unit tables of sizes, counts and durations.
#include <array>
#include <cstdint>
#include <string_view>

namespace echelon::config {

struct Unit {
  std::string_view name;
  int64_t factor;  ///< durations: seconds, "ms" stands for 1/1000
};

inline constexpr std::array<Unit, 11> kSizeUnits = {{{"", 1},
                                                     {"B", 1},
                                                     {"kB", 1000},
                                                     {"KB", 1000},
                                                     {"MB", 1000'000},
                                                     {"GB", 1000'000'000},
                                                     {"TB", 1000'000'000'000},
                                                     {"KiB", int64_t{1} << 10},
                                                     {"MiB", int64_t{1} << 20},
                                                     {"GiB", int64_t{1} << 30},
                                                     {"TiB", int64_t{1} << 40}}};
inline constexpr std::array<Unit, 5> kCountUnits = {
    {{"", 1}, {"K", 1000}, {"M", 1000'000}, {"B", 1000'000'000}, {"T", 1000'000'000'000}}};
inline constexpr std::array<Unit, 6> kTimeUnits = {
    {{"ms", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}}};

}  // namespace echelon::config
