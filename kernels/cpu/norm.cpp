#include "kernels/cpu/norm.h"

#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace kernels::cpu {
namespace {

/// Rows whose gain and bias gradients are summed together before the sums are added up in order:
/// fixed, so that the result does not depend on the number of threads.
constexpr int64_t kRowBlock = 32;

int64_t rows_per_thread(int64_t columns) { return 1 + (kGrain / 4) / (columns + 1); }

/// dst[c] += sum over blocks of partial[block][c], blocks in order.
void add_partials(const float* partial, int64_t blocks, int64_t stride, int64_t columns,
                  float* dst) {
  parallel_ranges(columns, 256, [=](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      double sum = 0.0;
      for (int64_t b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b * stride + c]);
      dst[c] += static_cast<float>(sum);
    }
  });
}

}  // namespace

void layer_norm_forward(const float* x, const float* gain, const float* bias, float eps, float* y,
                        float* mean, float* rstd, int64_t rows, int64_t columns) {
  const float inverse = 1.0f / static_cast<float>(columns);
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float* xr = x + r * columns;
      float* yr = y + r * columns;
      float sum = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < columns; ++c) sum += xr[c];
      const float m = sum * inverse;
#pragma omp simd reduction(+ : squares)
      for (int64_t c = 0; c < columns; ++c) squares += (xr[c] - m) * (xr[c] - m);
      const float s = 1.0f / std::sqrt(squares * inverse + eps);
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) yr[c] = (xr[c] - m) * s * gain[c] + bias[c];
      mean[r] = m;
      rstd[r] = s;
    }
  });
}

void layer_norm_backward(const float* dy, const float* x, const float* gain, const float* mean,
                         const float* rstd, float* dx, float* dgain, float* dbias, int64_t rows,
                         int64_t columns) {
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  std::vector<float> partial(static_cast<size_t>(2 * blocks * columns), 0.0f);
  float* sums = partial.data();
  const float inverse = 1.0f / static_cast<float>(columns);
  parallel_ranges(blocks, 1, [=](int64_t from, int64_t to) {
    for (int64_t r = from * kRowBlock; r < to * kRowBlock && r < rows; ++r) {
      const float *xr = x + r * columns, *dyr = dy + r * columns;
      float* dxr = dx + r * columns;
      float* dgain_block = sums + r / kRowBlock * 2 * columns;
      float* dbias_block = dgain_block + columns;
      const float m = mean[r], s = rstd[r];
      float sum = 0.0f, dot = 0.0f;
#pragma omp simd reduction(+ : sum, dot)
      for (int64_t c = 0; c < columns; ++c) {
        const float hat = (xr[c] - m) * s, dhat = dyr[c] * gain[c];
        sum += dhat;
        dot += dhat * hat;
        dgain_block[c] += dyr[c] * hat;
        dbias_block[c] += dyr[c];
      }
      sum *= inverse;
      dot *= inverse;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c)
        dxr[c] = s * (dyr[c] * gain[c] - sum - (xr[c] - m) * s * dot);
    }
  });
  add_partials(sums, blocks, 2 * columns, columns, dgain);
  add_partials(sums + columns, blocks, 2 * columns, columns, dbias);
}

void rms_norm_forward(const float* x, const float* gain, float eps, float* y, float* rstd,
                      int64_t rows, int64_t columns) {
  const float inverse = 1.0f / static_cast<float>(columns);
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float* xr = x + r * columns;
      float* yr = y + r * columns;
      float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
      for (int64_t c = 0; c < columns; ++c) squares += xr[c] * xr[c];
      const float s = 1.0f / std::sqrt(squares * inverse + eps);
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) yr[c] = xr[c] * s * gain[c];
      rstd[r] = s;
    }
  });
}

void rms_norm_backward(const float* dy, const float* x, const float* gain, const float* rstd,
                       float* dx, float* dgain, int64_t rows, int64_t columns) {
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  std::vector<float> partial(static_cast<size_t>(blocks * columns), 0.0f);
  float* sums = partial.data();
  const float inverse = 1.0f / static_cast<float>(columns);
  parallel_ranges(blocks, 1, [=](int64_t from, int64_t to) {
    for (int64_t r = from * kRowBlock; r < to * kRowBlock && r < rows; ++r) {
      const float *xr = x + r * columns, *dyr = dy + r * columns;
      float* dxr = dx + r * columns;
      float* dgain_block = sums + r / kRowBlock * columns;
      const float s = rstd[r];
      float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
      for (int64_t c = 0; c < columns; ++c) {
        const float hat = xr[c] * s;
        dot += dyr[c] * gain[c] * hat;
        dgain_block[c] += dyr[c] * hat;
      }
      dot *= inverse;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) dxr[c] = s * (dyr[c] * gain[c] - xr[c] * s * dot);
    }
  });
  add_partials(sums, blocks, columns, columns, dgain);
}

}  // namespace kernels::cpu
