#include <cmath>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/parallel.h"

namespace kernels::cpu {

void rope(Heads x, int64_t rows, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse) {
  const int64_t half = head_size / 2;
  std::vector<double> frequency(static_cast<size_t>(half));
  for (int64_t i = 0; i < half; ++i)
    frequency[static_cast<size_t>(i)] = std::pow(
        static_cast<double>(base), -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
  // Angles in double: a position times a frequency loses its fraction in float.
  const int64_t sequences = rows / tokens;
  parallel_ranges(tokens, 8, [&](int64_t from, int64_t to) {
    std::vector<float> cosine(static_cast<size_t>(half)), sine(static_cast<size_t>(half));
    for (int64_t t = from; t < to; ++t) {
      for (int64_t i = 0; i < half; ++i) {
        const auto at = static_cast<size_t>(i);
        const double angle = static_cast<double>(first_position + t) * frequency[at];
        cosine[at] = static_cast<float>(std::cos(angle));
        sine[at] = static_cast<float>(inverse ? -std::sin(angle) : std::sin(angle));
      }
      const float *c = cosine.data(), *s = sine.data();
      for (int64_t sequence = 0; sequence < sequences; ++sequence)
        for (int64_t h = 0; h < heads; ++h) {
          float* low = x.data + (sequence * tokens + t) * x.stride + h * head_size;
          float* high = low + half;
#pragma omp simd
          for (int64_t i = 0; i < half; ++i) {
            const float a = low[i], b = high[i];
            low[i] = a * c[i] - b * s[i];
            high[i] = b * c[i] + a * s[i];
          }
        }
    }
  });
}

}  // namespace kernels::cpu
