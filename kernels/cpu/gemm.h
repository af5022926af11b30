#pragma once
// Dense f32 matrix product on the CPU: packed panels and an outer-product register tile, after
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
#include <cstddef>
#include <cstdint>

namespace echelon::kernels {

/// A row-major array; with `transposed` it stands for its transpose.
struct GemmOperand {
  const float* data;
  int64_t stride;  ///< floats from one stored row to the next
  bool transposed;
};

/// c[m,n] = or += a[m,k] b[k,n] (+ bias[n] where given). c must overlap nothing else.
struct Gemm {
  int64_t m, n, k;
  GemmOperand a, b;
  float* c;
  int64_t c_stride;
  bool accumulate;
  const float* bias;  ///< n values or null
};

/// Bytes of scratch `gemm` needs; any thread count.
size_t gemm_scratch_bytes(const Gemm& problem);
/// Uses up to `threads` OpenMP threads. The result, to the bit, does not depend on their number.
/// `scratch` is aligned to 64 and used by this call alone.
void gemm(const Gemm& problem, float* scratch, int threads);

}  // namespace echelon::kernels
