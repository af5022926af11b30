#include "kernels/cuda/cross_entropy.h"

#include "kernels/cuda/block.cuh"

namespace kernels::cuda {
namespace {

__device__ inline float minus_infinity() { return __int_as_float(static_cast<int>(0xff800000u)); }

template <class T>
__global__ void max_kernel(const T* logits, int64_t columns, int64_t valid, float* max,
                           bool packed) {
  const T* const row = logits + blockIdx.x * columns;
  float most = minus_infinity();
  for_row(valid, packed, [&](int64_t c, auto width) {
    const auto v = load<width.value>(row + c);
    for (int i = 0; i < width.value; ++i) most = Larger::of(most, v.at[i]);
  });
  most = block_reduce<Larger>(most, minus_infinity());
  if (threadIdx.x == 0) max[blockIdx.x] = most;
}

template <class T>
__global__ void sums_kernel(const T* logits, Logits shape, const float* max, float* sum,
                            float* target_logit, bool packed) {
  const int64_t r = blockIdx.x;
  const T* const row = logits + r * shape.columns;
  const float most = max[r];
  float total = 0.0f;
  for_row(shape.valid, packed, [&](int64_t c, auto width) {
    const auto v = load<width.value>(row + c);
    for (int i = 0; i < width.value; ++i) total += expf(v.at[i] - most);
  });
  total = block_reduce<Add>(total, 0.0f);
  if (threadIdx.x != 0) return;
  sum[r] = total;
  const int64_t target = shape.targets[r] - shape.first_column;
  target_logit[r] = target >= 0 && target < shape.valid ? to_float(row[target]) : 0.0f;
}

__global__ void loss_kernel(const float* max, const float* sum, const float* target_logit,
                            const int32_t* targets, int32_t ignored, int64_t rows, double* result) {
  double total = 0.0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x)
    if (targets[r] != ignored)
      total += log(static_cast<double>(sum[r])) + static_cast<double>(max[r]) -
               static_cast<double>(target_logit[r]);
  total = block_reduce<Add>(total, 0.0);
  if (threadIdx.x == 0) *result = total;
}

template <class T>
__global__ void gradient_kernel(T* logits, Logits shape, const float* max, const float* sum,
                                int32_t ignored, float scale, bool packed) {
  const int64_t r = blockIdx.x;
  T* const row = logits + r * shape.columns;
  const bool counts = shape.targets[r] != ignored;
  const float most = max[r], factor = scale / sum[r];
  const int64_t target = shape.targets[r] - shape.first_column;
  for_row(shape.columns, packed, [&](int64_t c, auto width) {
    auto v = load<width.value>(row + c);
    for (int i = 0; i < width.value; ++i) {
      const int64_t column = c + i;
      const float hot = column == target ? scale : 0.0f;
      const bool zero = !counts || column >= shape.valid;
      v.at[i] = zero ? 0.0f : factor * expf(v.at[i] - most) - hot;
    }
    store(row + c, v);
  });
}

}  // namespace

void row_max(Float type, const void* logits, int64_t rows, int64_t columns, int64_t valid,
             float* max, Stream stream) {
  if (rows <= 0) return;
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const bool packed = valid % 4 == 0 && rows_packed(columns, as<T>(logits));
    ECH_LAUNCH(max_kernel<T>, static_cast<unsigned>(rows), threads_for(valid), 0, stream,
               as<T>(logits), columns, valid, max, packed);
  });
}

void row_sums(Float type, const void* logits, const Logits& shape, const float* max, float* sum,
              float* target_logit, Stream stream) {
  if (shape.rows <= 0) return;
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const bool packed = shape.valid % 4 == 0 && rows_packed(shape.columns, as<T>(logits));
    ECH_LAUNCH(sums_kernel<T>, static_cast<unsigned>(shape.rows), threads_for(shape.valid), 0,
               stream, as<T>(logits), shape, max, sum, target_logit, packed);
  });
}

void loss_sum(const float* max, const float* sum, const float* target_logit, const int32_t* targets,
              int32_t ignored, int64_t rows, double* result, Stream stream) {
  ECH_LAUNCH(loss_kernel, 1, kThreads, 0, stream, max, sum, target_logit, targets, ignored, rows,
             result);
}

void softmax_gradient(Float type, void* logits, const Logits& shape, const float* max,
                      const float* sum, int32_t ignored, float scale, Stream stream) {
  if (shape.rows <= 0) return;
  with_type(type, [&](auto kind) {
    using T = decltype(kind);
    const bool packed = rows_packed(shape.columns, as<T>(logits));
    ECH_LAUNCH(gradient_kernel<T>, static_cast<unsigned>(shape.rows), threads_for(shape.columns), 0,
               stream, as<T>(logits), shape, max, sum, ignored, scale, packed);
  });
}

}  // namespace kernels::cuda
