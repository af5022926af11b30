#pragma once
// Dense f32 matrix product on the CPU: packed panels and an outer-product register tile, after
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/elementwise.h"

namespace kernels::cpu {

/// A row-major array, 16-bit elements widened while packing; with `transposed` it stands for its
/// transpose.
struct GemmOperand {
  const void* data = nullptr;
  int64_t stride = 0;  ///< elements from one stored row to the next
  bool transposed = false;
  Float type = Float::f32;
};

/// c[m,n] = or += a[m,k] b[k,n] (+ bias[n]). c and row_sums overlap nothing else.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;  ///< where one is 0, nothing is written
  GemmOperand a{}, b{};
  float* c = nullptr;
  int64_t c_stride = 0;
  bool accumulate = false;
  const float* bias = nullptr;  ///< n values, added once, where not null
  float* row_sums = nullptr;    ///< row_sums[m] += sum over k of a[m,k], where not null
};

/// Bytes of scratch `gemm` needs for this problem and number of threads: under 1.2 MB a thread.
size_t gemm_scratch_bytes(const Gemm& problem, int threads);
/// Uses up to `threads` OpenMP threads. The result, to the bit, does not depend on their number.
/// `scratch` is aligned to 64 bytes and used by this call alone.
void gemm(const Gemm& problem, float* scratch, int threads);

}  // namespace kernels::cpu
