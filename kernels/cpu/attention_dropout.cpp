#include <cmath>

#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/philox_lanes.h"

namespace kernels::cpu {
namespace {

/// Words of `element`'s blocks, one block a lane.
void blocks_of(PhiloxKey key, const uint64_t (&element)[kLanes], uint64_t offset,
               WordLanes (&words)[4]) {
  WordLanes low, high;
  for (int64_t i = 0; i < kLanes; ++i) {
    low[i] = static_cast<uint32_t>((element[i] + offset) / 4);
    high[i] = static_cast<uint32_t>((element[i] + offset) / 4 >> 32);
  }
  philox_lanes(key, low, high, words);
}

/// Lanes whose first elements and distance are multiples of four share the words of a block over
/// four keys. `step` is the distance of two lanes in blocks.
void aligned_lanes(const AttentionSize& size, uint64_t first, uint64_t step, int64_t keys,
                   uint32_t threshold, int64_t stride, float* mask) {
  const Lanes kept = broadcast(1.0f / (1.0f - size.dropout));
  const WordLanes steps = WordLanes(kLaneIndex) * static_cast<uint32_t>(step);
  WordLanes words[4];
  for (int64_t j = 0; j < keys; ++j) {
    const uint64_t at = first + static_cast<uint64_t>(j);
    if (j == 0 || at % 4 == 0) {
      const WordLanes low = steps + static_cast<uint32_t>(at / 4);
      philox_lanes(size.key, low, WordLanes{} + static_cast<uint32_t>(at / 4 >> 32), words);
    }
    store(mask + j * stride, select((words[at % 4] >> 8) >= threshold, kept, Lanes{}));
  }
}

}  // namespace

void dropout_tile(const AttentionSize& size, int64_t sequence, int64_t head, int64_t query,
                  int64_t vectors, int64_t key, int64_t keys, float* mask) {
  const Lanes kept = broadcast(1.0f / (1.0f - size.dropout));
  // uniform >= p for a uniform of 24 bits, in integers.
  const auto threshold =
      static_cast<uint32_t>(std::ceil(static_cast<double>(size.dropout) * 0x1p24));
  const uint64_t step = static_cast<uint64_t>(size.total_tokens) / 4;
  for (int64_t v = 0; v < vectors; ++v) {
    float* lanes = mask + v * kLanes;
    uint64_t element[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      element[i] =
          size.dropout_row(sequence, head, query + v * kLanes + i) + static_cast<uint64_t>(key);
    const uint64_t low = (element[0] / 4) & 0xFFFFFFFF;
    const uint64_t last = low + static_cast<uint64_t>(keys) / 4 + 1 + step * kLanes;
    if (size.total_tokens % 4 == 0 && last <= 0xFFFFFFFF) {
      aligned_lanes(size, element[0], step, keys, threshold, vectors * kLanes, lanes);
      continue;
    }
    for (int64_t j = 0; j < keys; ++j) {
      const uint64_t at = static_cast<uint64_t>(j);
      WordLanes words[4], word{};
      blocks_of(size.key, element, at, words);
      for (int64_t i = 0; i < kLanes; ++i) word[i] = words[(element[i] + at) % 4][i];
      store(lanes + j * vectors * kLanes, select((word >> 8) >= threshold, kept, Lanes{}));
    }
  }
}

}  // namespace kernels::cpu
