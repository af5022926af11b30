#include "kernels/cuda/random.h"

#include "kernels/cuda/number.cuh"
#include "kernels/cuda/philox.cuh"

namespace kernels::cuda {
namespace {

constexpr int64_t kRun = 4;  // elements a thread takes in a row: one block of words when aligned

__device__ inline uint64_t element_of(const Part& part, int64_t i) {
  return static_cast<uint64_t>((part.first_row + i / part.columns) * part.whole_columns +
                               part.first_column + i % part.columns);
}

/// f(offset in the part, element of the whole, reader of words) for all of the part.
template <class F>
__global__ void random_kernel(F f, PhiloxKey key, Part part) {
  const int64_t n = part.rows * part.columns;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x * kRun;
  WordReader reader(key);
  for (int64_t first = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kRun; first < n;
       first += stride)
    for (int64_t i = first; i < first + kRun && i < n; ++i) f(i, element_of(part, i), reader);
}

template <class F>
void launch(const F& f, PhiloxKey key, const Part& part, Stream stream) {
  const int64_t n = part.rows * part.columns;
  if (n > 0)
    ECH_LAUNCH(random_kernel<F>, blocks_for((n + kRun - 1) / kRun), kThreads, 0, stream, f, key,
               part);
}

template <class T>
struct Dropout {
  T* x;
  float p, kept;
  __device__ void operator()(int64_t i, uint64_t element, WordReader& reader) const {
    const bool keep = uniform_of(reader.word(element)) >= p;
    assign(x[i], keep ? to_float(x[i]) * kept : 0.0f);
  }
};

/// Box-Muller on the pair of words, in double as on the CPU.
struct Normal {
  float* dst;
  float mean, deviation;
  __device__ void operator()(int64_t i, uint64_t element, WordReader& reader) const {
    const uint64_t pair = element / 2 * 2;
    const Words& words = reader.block(pair / 4);
    const double u1 = ((words.at[pair % 4] >> 8) + 1) * (1.0 / 16777216.0);
    const double u2 = (words.at[pair % 4 + 1] >> 8) * (1.0 / 16777216.0);
    const double radius = sqrt(-2.0 * log(u1)), angle = 6.283185307179586477 * u2;
    const double normal = element % 2 == 0 ? radius * cos(angle) : radius * sin(angle);
    dst[i] =
        static_cast<float>(static_cast<double>(mean) + static_cast<double>(deviation) * normal);
  }
};

struct Uniform {
  float* dst;
  float bound;
  __device__ void operator()(int64_t i, uint64_t element, WordReader& reader) const {
    dst[i] = bound * (2.0f * uniform_of(reader.word(element)) - 1.0f);
  }
};

}  // namespace

void dropout(Float type, void* x, float p, PhiloxKey key, const Part& part, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    launch(Dropout<T>{as<T>(x), p, 1.0f / (1.0f - p)}, key, part, stream);
  });
}

void fill_normal(float* dst, float mean, float deviation, PhiloxKey key, const Part& part,
                 Stream stream) {
  launch(Normal{dst, mean, deviation}, key, part, stream);
}

void fill_uniform(float* dst, float bound, PhiloxKey key, const Part& part, Stream stream) {
  launch(Uniform{dst, bound}, key, part, stream);
}

}  // namespace kernels::cuda
