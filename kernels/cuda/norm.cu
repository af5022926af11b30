#include "kernels/cuda/norm.h"

#include "kernels/cuda/block.cuh"
#include "kernels/cuda/columns.cuh"

namespace kernels::cuda {
namespace {

/// kCentred: layer norm; otherwise RMS norm, without mean and bias.
template <bool kCentred, class T>
__global__ void forward_kernel(const T* x, const float* gain, const float* bias, float eps, T* y,
                               float* mean, float* rstd, int64_t columns, bool packed) {
  const int64_t row = blockIdx.x;
  const T* const xr = x + row * columns;
  T* const yr = y + row * columns;
  const float inverse = 1.0f / static_cast<float>(columns);
  float m = 0.0f;
  if constexpr (kCentred) {
    float sum = 0.0f;
    for_row(columns, packed, [&](int64_t c, auto width) {
      const auto v = load<width.value>(xr + c);
      for (int i = 0; i < width.value; ++i) sum += v.at[i];
    });
    m = block_reduce<Add>(sum, 0.0f) * inverse;
  }
  float squares = 0.0f;
  for_row(columns, packed, [&](int64_t c, auto width) {
    const auto v = load<width.value>(xr + c);
    for (int i = 0; i < width.value; ++i) squares += (v.at[i] - m) * (v.at[i] - m);
  });
  const float s = 1.0f / sqrtf(block_reduce<Add>(squares, 0.0f) * inverse + eps);
  for_row(columns, packed, [&](int64_t c, auto width) {
    auto v = load<width.value>(xr + c);
    const auto g = load<width.value>(gain + c);
    for (int i = 0; i < width.value; ++i) v.at[i] = (v.at[i] - m) * s * g.at[i];
    if constexpr (kCentred) {
      const auto b = load<width.value>(bias + c);
      for (int i = 0; i < width.value; ++i) v.at[i] += b.at[i];
    }
    store(yr + c, v);
  });
  if (threadIdx.x != 0) return;
  if constexpr (kCentred) mean[row] = m;
  rstd[row] = s;
}

template <bool kCentred, class T>
__global__ void input_gradient_kernel(const T* dy, const T* x, const float* gain, const float* mean,
                                      const float* rstd, T* dx, int64_t columns, bool packed) {
  const int64_t row = blockIdx.x;
  const T *const xr = x + row * columns, *const dyr = dy + row * columns;
  T* const dxr = dx + row * columns;
  const float inverse = 1.0f / static_cast<float>(columns), s = rstd[row];
  const float m = kCentred ? mean[row] : 0.0f;
  float plain = 0.0f, dot = 0.0f;
  for_row(columns, packed, [&](int64_t c, auto width) {
    const auto d = load<width.value>(dyr + c), v = load<width.value>(xr + c);
    const auto g = load<width.value>(gain + c);
    for (int i = 0; i < width.value; ++i) {
      plain += d.at[i] * g.at[i];
      dot += d.at[i] * g.at[i] * (v.at[i] - m) * s;
    }
  });
  plain = kCentred ? block_reduce<Add>(plain, 0.0f) * inverse : 0.0f;
  dot = block_reduce<Add>(dot, 0.0f) * inverse;
  for_row(columns, packed, [&](int64_t c, auto width) {
    auto d = load<width.value>(dyr + c);
    const auto v = load<width.value>(xr + c), g = load<width.value>(gain + c);
    for (int i = 0; i < width.value; ++i)
      d.at[i] = s * (d.at[i] * g.at[i] - plain - (v.at[i] - m) * s * dot);
    store(dxr + c, d);
  });
}

/// Terms of dgain and dbias.
template <bool kCentred, class T>
struct NormTerms {
  static constexpr int kOutputs = kCentred ? 2 : 1;
  const T *dy, *x;
  const float *mean, *rstd;
  int64_t columns;
  __device__ void add(int64_t row, int64_t column, float* sum) const {
    const float d = to_float(dy[row * columns + column]);
    const float m = kCentred ? mean[row] : 0.0f;
    sum[0] += d * (to_float(x[row * columns + column]) - m) * rstd[row];
    if constexpr (kCentred) sum[1] += d;
  }
};

template <class T>
struct BiasTerms {
  static constexpr int kOutputs = 1;
  const T* dy;
  int64_t columns;
  __device__ void add(int64_t row, int64_t column, float* sum) const {
    sum[0] += to_float(dy[row * columns + column]);
  }
};

template <bool kCentred, class T>
void forward(const T* x, const float* gain, const float* bias, float eps, T* y, float* mean,
             float* rstd, int64_t rows, int64_t columns, Stream stream) {
  if (rows <= 0) return;
  const bool packed = rows_packed(columns, x, y, gain, kCentred ? bias : gain);
  const auto kernel = forward_kernel<kCentred, T>;
  ECH_LAUNCH(kernel, static_cast<unsigned>(rows), threads_for(columns), 0, stream, x, gain, bias,
             eps, y, mean, rstd, columns, packed);
}

template <bool kCentred, class T>
void backward(const T* dy, const T* x, const float* gain, const float* mean, const float* rstd,
              T* dx, float* dgain, float* dbias, int64_t rows, int64_t columns, float* workspace,
              Stream stream) {
  if (rows <= 0) return;
  // First, because dx may be dy.
  const NormTerms<kCentred, T> terms{dy, x, mean, rstd, columns};
  add_column_sums(terms, rows, columns, dgain, dbias, workspace, stream);
  const bool packed = rows_packed(columns, dy, x, gain, dx);
  const auto kernel = input_gradient_kernel<kCentred, T>;
  ECH_LAUNCH(kernel, static_cast<unsigned>(rows), threads_for(columns), 0, stream, dy, x, gain,
             mean, rstd, dx, columns, packed);
}

}  // namespace

void layer_norm_forward(Float type, const void* x, const float* gain, const float* bias, float eps,
                        void* y, float* mean, float* rstd, int64_t rows, int64_t columns,
                        Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    forward<true>(as<T>(x), gain, bias, eps, as<T>(y), mean, rstd, rows, columns, stream);
  });
}

void rms_norm_forward(Float type, const void* x, const float* gain, float eps, void* y, float* rstd,
                      int64_t rows, int64_t columns, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    forward<false>(as<T>(x), gain, nullptr, eps, as<T>(y), nullptr, rstd, rows, columns, stream);
  });
}

int64_t norm_workspace(int64_t rows, int64_t columns) { return chunks_of(rows) * 2 * columns; }

void layer_norm_backward(Float type, const void* dy, const void* x, const float* gain,
                         const float* mean, const float* rstd, void* dx, float* dgain, float* dbias,
                         int64_t rows, int64_t columns, float* workspace, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    backward<true>(as<T>(dy), as<T>(x), gain, mean, rstd, as<T>(dx), dgain, dbias, rows, columns,
                   workspace, stream);
  });
}

void rms_norm_backward(Float type, const void* dy, const void* x, const float* gain,
                       const float* rstd, void* dx, float* dgain, int64_t rows, int64_t columns,
                       float* workspace, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    backward<false>(as<T>(dy), as<T>(x), gain, nullptr, rstd, as<T>(dx), dgain, nullptr, rows,
                    columns, workspace, stream);
  });
}

int64_t bias_workspace(int64_t rows, int64_t columns) { return chunks_of(rows) * columns; }

void bias_gradient(Float type, const void* dy, float* dbias, int64_t rows, int64_t columns,
                   float* workspace, Stream stream) {
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const BiasTerms<T> terms{as<T>(dy), columns};
    add_column_sums(terms, rows, columns, dbias, nullptr, workspace, stream);
  });
}

}  // namespace kernels::cuda
