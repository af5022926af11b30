#include "kernels/cuda/elementwise.h"

#include "kernels/cuda/block.cuh"
#include "kernels/cuda/each.cuh"

namespace kernels::cuda {
namespace {

template <class T>
struct AddTo {
  static constexpr int kPack = 16 / sizeof(T);
  const T *a, *b;
  T* dst;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> v = load<kN>(a + i);
    const Values<kN> w = load<kN>(b + i);
    for (int k = 0; k < kN; ++k) v.at[k] += w.at[k];
    store(dst + i, v);
  }
};

struct Axpy {
  static constexpr int kPack = 4;
  float factor;
  const float* src;
  float* dst;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> d = load<kN>(dst + i);
    const Values<kN> s = load<kN>(src + i);
    for (int k = 0; k < kN; ++k) d.at[k] += factor * s.at[k];
    store(dst + i, d);
  }
};

struct Scale {
  static constexpr int kPack = 4;
  float factor;
  float* dst;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> d = load<kN>(dst + i);
    for (int k = 0; k < kN; ++k) d.at[k] *= factor;
    store(dst + i, d);
  }
};

struct Fill {
  static constexpr int kPack = 4;
  float value;
  float* dst;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> d;
    for (int k = 0; k < kN; ++k) d.at[k] = value;
    store(dst + i, d);
  }
};

template <class From, class To>
struct Cast {
  static constexpr int kPack = 4;
  const From* src;
  To* dst;
  template <int kN>
  __device__ void run(int64_t i) const {
    store(dst + i, load<kN>(src + i));
  }
};

constexpr int64_t kSumBlock = 1 << 14;

__global__ void squares_kernel(const float* x, int64_t n, double* partial) {
  const int64_t first = int64_t{blockIdx.x} * kSumBlock;
  const int64_t last = first + kSumBlock < n ? first + kSumBlock : n;
  double sum = 0.0;
  for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    const auto v = static_cast<double>(x[i]);
    sum += v * v;
  }
  sum = block_reduce<Add>(sum, 0.0);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void total_kernel(const double* partial, int64_t n, double* result) {
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += partial[i];
  sum = block_reduce<Add>(sum, 0.0);
  if (threadIdx.x == 0) *result = sum;
}

/// Several threads may write the flag: all write 1.
template <class T>
struct NotFinite {
  static constexpr int kPack = 16 / sizeof(T);
  const T* x;
  int32_t* flag;
  template <int kN>
  __device__ void run(int64_t i) const {
    const Values<kN> v = load<kN>(x + i);
    bool bad = false;
    for (int k = 0; k < kN; ++k) bad = bad || !(fabsf(v.at[k]) <= 3.402823466e38f);
    if (bad) *flag = 1;
  }
};

}  // namespace

void add(Float type, const void* a, const void* b, void* dst, int64_t n, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const AddTo<T> f{as<T>(a), as<T>(b), as<T>(dst)};
    each(f, n, 16, stream, f.a, f.b, f.dst);
  });
}

void axpy(float factor, const float* src, float* dst, int64_t n, Stream stream) {
  each(Axpy{factor, src, dst}, n, 16, stream, src, dst);
}

void scale(float factor, float* dst, int64_t n, Stream stream) {
  each(Scale{factor, dst}, n, 16, stream, dst);
}

void fill(float value, float* dst, int64_t n, Stream stream) {
  each(Fill{value, dst}, n, 16, stream, dst);
}

void cast(Float from, const void* src, Float to, void* dst, int64_t n, Stream stream) {
  with_type(from, [&](auto source) {
    with_type(to, [&](auto target) {
      const Cast<decltype(source), decltype(target)> f{as<decltype(source)>(src),
                                                       as<decltype(target)>(dst)};
      each(f, n, 16, stream, f.src, f.dst);
    });
  });
}

int64_t sum_workspace(int64_t n) { return (n + kSumBlock - 1) / kSumBlock; }

void sum_of_squares(const float* x, int64_t n, double* workspace, double* result, Stream stream) {
  const int64_t blocks = sum_workspace(n);
  if (blocks > 0)
    ECH_LAUNCH(squares_kernel, static_cast<unsigned>(blocks), kThreads, 0, stream, x, n, workspace);
  ECH_LAUNCH(total_kernel, 1, kThreads, 0, stream, workspace, blocks, result);
}

void find_not_finite(Float type, const void* x, int64_t n, int32_t* flag, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    each(NotFinite<T>{as<T>(x), flag}, n, 16, stream, as<T>(x));
  });
}

}  // namespace kernels::cuda
