#include "kernels/cpu/random.h"

#include <cmath>
#include <numbers>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/philox_lanes.h"

namespace kernels::cpu {
namespace {

/// body(offset in the part, first element of the whole, count <= kChunk) over all of the part.
constexpr int64_t kChunk = 1024;

template <class Body>
void for_chunks(const Part& part, const Body& body) {
  parallel_ranges(part.rows * part.columns, kChunk, [&](int64_t from, int64_t to) {
    while (from < to) {
      const int64_t row = from / part.columns, column = from % part.columns;
      int64_t count = part.columns - column;
      if (count > to - from) count = to - from;
      if (count > kChunk) count = kChunk;
      const int64_t element =
          (part.first_row + row) * part.whole_columns + part.first_column + column;
      body(from, static_cast<uint64_t>(element), count);
      from += count;
    }
  });
}

/// Box-Muller pair of two words, as echelon/base/philox.h defines it.
double normal_of(uint32_t first, uint32_t second, bool sine) {
  const double u1 = ((first >> 8) + 1) * 0x1p-24, u2 = (second >> 8) * 0x1p-24;
  const double radius = std::sqrt(-2.0 * std::log(u1)), angle = 2.0 * std::numbers::pi * u2;
  return sine ? radius * std::sin(angle) : radius * std::cos(angle);
}

}  // namespace

void dropout(float* x, float p, PhiloxKey key, const Part& part) {
  const Lanes kept = broadcast(1.0f / (1.0f - p));
  // uniform >= p for a uniform of 24 bits, in integers.
  const auto threshold = static_cast<uint32_t>(std::ceil(static_cast<double>(p) * 0x1p24));
  for_chunks(part, [&](int64_t offset, uint64_t element, int64_t count) {
    alignas(64) uint32_t words[kChunk];
    philox_words(key, element, count, words);
    for_lanes(0, count, [&](int64_t i, int64_t lanes) {
      WordLanes word;
      std::memcpy(&word, words + i, sizeof word);
      float* at = x + offset + i;
      store_up_to(at, select((word >> 8) >= threshold, load_up_to(at, lanes) * kept, Lanes{}),
                  lanes);
    });
  });
}

void fill_normal(float* dst, float mean, float deviation, PhiloxKey key, const Part& part) {
  for_chunks(part, [&](int64_t offset, uint64_t element, int64_t count) {
    uint32_t words[kChunk + 2];
    const uint64_t first = element / 2 * 2, lead = element - first;
    philox_words(key, first, count + 2, words);
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t at = static_cast<uint64_t>(i) + lead, pair = at / 2 * 2;
      dst[offset + i] = static_cast<float>(
          mean + deviation * normal_of(words[pair], words[pair + 1], at % 2 != 0));
    }
  });
}

void fill_uniform(float* dst, float bound, PhiloxKey key, const Part& part) {
  for_chunks(part, [&](int64_t offset, uint64_t element, int64_t count) {
    uint32_t words[kChunk];
    philox_words(key, element, count, words);
    float* chunk = dst + offset;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) chunk[i] = bound * (2.0f * uniform_of(words[i]) - 1.0f);
  });
}

}  // namespace kernels::cpu
