#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/philox_lanes.h"

namespace kernels::cpu {

void dropout_tile(const AttentionSize& size, int64_t sequence, int64_t head, int64_t query,
                  int64_t vectors, int64_t key, int64_t keys, float* mask) {
  const Lanes kept = broadcast(1.0f / (1.0f - size.dropout));
  // Rows that start at multiples of four share the words of one block over four keys.
  const bool aligned = size.total_tokens % 4 == 0;
  for (int64_t v = 0; v < vectors; ++v) {
    uint64_t element[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      element[i] =
          size.dropout_row(sequence, head, query + v * kLanes + i) + static_cast<uint64_t>(key);
    WordLanes words[4];
    for (int64_t j = 0; j < keys; ++j) {
      const uint64_t at = static_cast<uint64_t>(j);
      if (j == 0 || !aligned || (element[0] + at) % 4 == 0) {
        WordLanes low, high;
        for (int64_t i = 0; i < kLanes; ++i) {
          low[i] = static_cast<uint32_t>((element[i] + at) / 4);
          high[i] = static_cast<uint32_t>((element[i] + at) / 4 >> 32);
        }
        philox_lanes(size.key, low, high, words);
      }
      Lanes uniform;
      for (int64_t i = 0; i < kLanes; ++i) uniform[i] = uniform_of(words[(element[i] + at) % 4][i]);
      store(mask + (j * vectors + v) * kLanes, select(uniform >= size.dropout, kept, Lanes{}));
    }
  }
}

}  // namespace kernels::cpu
