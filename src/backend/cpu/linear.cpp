#include <algorithm>

#include "cpu_ops.h"
#include "kernels/cpu/elementwise.h"

namespace echelon::backend::cpu {
namespace {

constexpr int64_t kBlock = 64;

Tensor widened(const Tensor& w) {
  if (w.dtype() == DType::f32) return w;
  const Tensor wide = Tensor::empty(w.shape(), DType::f32, *make_cpu_allocator());
  kernels::cpu::cast(
      w.dtype() == DType::bf16 ? kernels::cpu::Float::bf16 : kernels::cpu::Float::f16, w.raw(),
      kernels::cpu::Float::f32, wide.raw(), w.elements());
  return wide;
}

void linear_forward(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y,
                    Stream& stream) {
  const Tensor none;
  stream.run([x, w, y, bias = bias ? *bias : none] {
    const Tensor wide = widened(w);
    const int64_t m = rows_of(x), k = columns_of(x), n = columns_of(y);
    const float *xs = f32(x), *ws = f32(wide), *bs = bias.defined() ? f32(bias) : nullptr;
    float* ys = f32(y);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t l = 0; l < k; ++l) sum += xs[i * k + l] * ws[j * k + l];
        ys[i * n + j] = sum + (bs ? bs[j] : 0.0f);
      }
  });
}

void linear_backward_input(const Tensor& dy, const Tensor& w, Tensor& dx, Stream& stream) {
  stream.run([dy, w, dx] {
    const Tensor wide = widened(w);
    const int64_t m = rows_of(dy), n = columns_of(dy), k = columns_of(dx);
    const float *dys = f32(dy), *ws = f32(wide);
    float* dxs = f32(dx);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < m; first += kBlock) {
      const int64_t last = std::min(first + kBlock, m);
      std::fill(dxs + first * k, dxs + last * k, 0.0f);
      for (int64_t j = 0; j < n; ++j)
        for (int64_t i = first; i < last; ++i) {
          const float factor = dys[i * n + j];
#pragma omp simd
          for (int64_t l = 0; l < k; ++l) dxs[i * k + l] += factor * ws[j * k + l];
        }
    }
  });
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw, Tensor* dbias,
                            Stream& stream) {
  const Tensor none;
  stream.run([dy, x, dw, dbias = dbias ? *dbias : none] {
    const int64_t m = rows_of(dy), n = columns_of(dy), k = columns_of(x);
    const float *dys = f32(dy), *xs = f32(x);
    float *dws = f32(dw), *dbs = dbias.defined() ? f32(dbias) : nullptr;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < m; ++i) {
        const float factor = dys[i * n + j];
        if (dbs) dbs[j] += factor;
#pragma omp simd
        for (int64_t l = 0; l < k; ++l) dws[j * k + l] += factor * xs[i * k + l];
      }
  });
}

}  // namespace

void fill_linear(ops::OpTable& table) {
  table.linear_forward = linear_forward;
  table.linear_backward_input = linear_backward_input;
  table.linear_backward_weight = linear_backward_weight;
}

}  // namespace echelon::backend::cpu
