#include "kernels/cpu/norm.h"

#include <cmath>
#include <vector>

#include "kernels/cpu/lanes.h"
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
      Lanes sum{}, squares{};
      for_lanes(0, columns, [&](int64_t c, int64_t n) { sum += load_up_to(xr + c, n); });
      const float m = sum_of(sum) * inverse;
      for_lanes(0, columns, [&](int64_t c, int64_t n) {
        const Lanes off =
            select(kLaneIndex < static_cast<int32_t>(n), load_up_to(xr + c, n) - m, Lanes{});
        squares += off * off;
      });
      const float s = 1.0f / std::sqrt(sum_of(squares) * inverse + eps);
      for_lanes(0, columns, [=](int64_t c, int64_t n) {
        const Lanes hat = (load_up_to(xr + c, n) - m) * s;
        store_up_to(yr + c, hat * load_up_to(gain + c, n) + load_up_to(bias + c, n), n);
      });
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
      Lanes sum_lanes{}, dot_lanes{};
      for_lanes(0, columns, [&](int64_t c, int64_t n) {
        const Lanes d = load_up_to(dyr + c, n), hat = (load_up_to(xr + c, n) - m) * s;
        const Lanes dhat = d * load_up_to(gain + c, n);  // 0 in the lanes beyond the row
        sum_lanes += dhat;
        dot_lanes += dhat * hat;
        store_up_to(dgain_block + c, load_up_to(dgain_block + c, n) + d * hat, n);
        store_up_to(dbias_block + c, load_up_to(dbias_block + c, n) + d, n);
      });
      const float sum = sum_of(sum_lanes) * inverse, dot = sum_of(dot_lanes) * inverse;
      for_lanes(0, columns, [=](int64_t c, int64_t n) {
        const Lanes hat = (load_up_to(xr + c, n) - m) * s;
        const Lanes dhat = load_up_to(dyr + c, n) * load_up_to(gain + c, n);
        store_up_to(dxr + c, s * (dhat - sum - hat * dot), n);
      });
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
      Lanes squares{};
      for_lanes(0, columns, [&](int64_t c, int64_t n) {
        squares += load_up_to(xr + c, n) * load_up_to(xr + c, n);
      });
      const float s = 1.0f / std::sqrt(sum_of(squares) * inverse + eps);
      for_lanes(0, columns, [=](int64_t c, int64_t n) {
        store_up_to(yr + c, load_up_to(xr + c, n) * s * load_up_to(gain + c, n), n);
      });
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
      Lanes dot_lanes{};
      for_lanes(0, columns, [&](int64_t c, int64_t n) {
        const Lanes d = load_up_to(dyr + c, n), hat = load_up_to(xr + c, n) * s;
        dot_lanes += d * load_up_to(gain + c, n) * hat;
        store_up_to(dgain_block + c, load_up_to(dgain_block + c, n) + d * hat, n);
      });
      const float dot = sum_of(dot_lanes) * inverse;
      for_lanes(0, columns, [=](int64_t c, int64_t n) {
        const Lanes dhat = load_up_to(dyr + c, n) * load_up_to(gain + c, n);
        store_up_to(dxr + c, s * (dhat - load_up_to(xr + c, n) * s * dot), n);
      });
    }
  });
  add_partials(sums, blocks, columns, columns, dgain);
}

}  // namespace kernels::cpu
