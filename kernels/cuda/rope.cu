#include "kernels/cuda/attention.h"
#include "kernels/cuda/each.cuh"

namespace kernels::cuda {
namespace {

/// One pair of dimensions at one position; its angle serves all sequences and heads.
template <class T>
struct Rotate {
  static constexpr int kPack = 1;
  T* x;
  int64_t stride, sequences, heads, head_size, tokens, first_position;
  double base;
  bool inverse;
  template <int kN>
  __device__ void run(int64_t at) const {
    const int64_t half = head_size / 2, t = at / half, i = at % half;
    // In double: a position times a frequency loses its fraction in float.
    const double frequency =
        pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
    const double angle = static_cast<double>(first_position + t) * frequency;
    const auto c = static_cast<float>(cos(angle));
    const auto s = static_cast<float>(inverse ? -sin(angle) : sin(angle));
    for (int64_t sequence = 0; sequence < sequences; ++sequence)
      for (int64_t h = 0; h < heads; ++h) {
        T* const low = x + (sequence * tokens + t) * stride + h * head_size + i;
        const float a = to_float(*low), b = to_float(low[half]);
        assign(*low, a * c - b * s);
        assign(low[half], b * c + a * s);
      }
  }
};

}  // namespace

void rope(Float type, Heads x, int64_t rows, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const Rotate<T> f{as<T>(x.data), x.stride, rows / tokens,  heads,
                      head_size,     tokens,   first_position, static_cast<double>(base),
                      inverse};
    each(f, tokens * (head_size / 2), 16, stream, f.x);
  });
}

}  // namespace kernels::cuda
