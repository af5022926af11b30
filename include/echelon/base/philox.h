#pragma once
// Counter-based random numbers: value = f(seed, stream, element). Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011). No state: the same numbers come out
// after recomputation, after a restart and in every parallel layout.
#include <array>
#include <cstdint>
#include <vector>

namespace echelon {

/// One stream of a seed. key = (seed lo, seed hi); counter = (block lo, block hi, stream lo,
/// stream hi) with block = element / 4, lane = element % 4.
struct Philox {
  uint64_t seed = 0;
  uint64_t stream = 0;

  /// The four words of one block (elements 4*block .. 4*block+3).
  std::array<uint32_t, 4> block(uint64_t index) const;
  uint32_t u32(uint64_t element) const { return block(element / 4)[element % 4]; }
  /// 24-bit uniform in [0, 1), exact in float.
  float uniform(uint64_t element) const { return static_cast<float>(u32(element) >> 8) * 0x1p-24f; }
  /// Standard normal by Box-Muller on the pair (2*(i/2), 2*(i/2)+1); even: cosine, odd: sine.
  double normal(uint64_t element) const;
  /// Integer in [0, n), n < 2^32, by multiply-shift.
  uint32_t below(uint64_t element, uint32_t n) const {
    return static_cast<uint32_t>((uint64_t{u32(element)} * n) >> 32);
  }
};

/// Fisher-Yates from the top: for i = n-1..1 swap i with below(n-1-i, i+1).
std::vector<int64_t> permutation(int64_t n, Philox rng);

/// What a draw is for; the high bits of a stream number, so that no two purposes share one.
enum class Draw : uint64_t { init = 0, dropout = 1, data = 2, sampling = 3, test = 4 };

/// Stream number: purpose (8 bits) | layer (16) | which (8) | step-or-index (32).
/// Parameter n of the model is drawn from make_stream(Draw::init, 0, 0, n) == n.
constexpr uint64_t make_stream(Draw purpose, uint64_t layer, uint64_t which, uint64_t index) {
  return (static_cast<uint64_t>(purpose) << 56) | ((layer & 0xFFFF) << 40) |
         ((which & 0xFF) << 32) | (index & 0xFFFFFFFF);
}

}  // namespace echelon
