#include "echelon/base/philox.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace echelon {

std::array<uint32_t, 4> Philox::block(uint64_t index) const {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = static_cast<uint32_t>(p1), c2 = n2, c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

double Philox::normal(uint64_t element) const {
  const uint64_t pair = element / 2 * 2;
  const auto words = block(pair / 4);
  const double u1 = ((words[pair % 4] >> 8) + 1) * 0x1p-24;
  const double u2 = (words[pair % 4 + 1] >> 8) * 0x1p-24;
  const double radius = std::sqrt(-2.0 * std::log(u1)), angle = 2.0 * std::numbers::pi * u2;
  return element % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

std::vector<int64_t> permutation(int64_t n, Philox rng) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  uint64_t draw = 0;
  for (int64_t i = n - 1; i > 0; --i, ++draw)
    std::swap(order[static_cast<size_t>(i)], order[rng.below(draw, static_cast<uint32_t>(i + 1))]);
  return order;
}

}  // namespace echelon
