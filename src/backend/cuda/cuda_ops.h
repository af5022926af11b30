#pragma once
// CUDA versions of the ops: tensors to raw pointers, enqueued on the op's stream.
#include "check.h"
#include "cuda_stream.h"
#include "echelon/ops/table.h"
#include "kernels/cpu/philox.h"
#include "kernels/cuda/stream.h"

namespace echelon::backend::cuda {

/// One source fills one group of the table.
void fill_linear(ops::OpTable& table);
void fill_attention(ops::OpTable& table);
void fill_norm(ops::OpTable& table);
void fill_activation(ops::OpTable& table);
void fill_embedding(ops::OpTable& table);
void fill_cross_entropy(ops::OpTable& table);
void fill_elementwise(ops::OpTable& table);
void fill_optimizer(ops::OpTable& table);

inline kernels::cpu::PhiloxKey key_of(Philox rng) { return {rng.seed, rng.stream}; }
inline int64_t columns_of(const Tensor& t) { return t.shape().rank() == 0 ? 1 : t.size(-1); }
inline int64_t rows_of(const Tensor& t) {
  return columns_of(t) == 0 ? 0 : t.elements() / columns_of(t);
}
inline float* f32(const Tensor& t) {
  ECH_CHECK(t.dtype() == DType::f32, "tensor is {}, wanted f32", name_of(t.dtype()));
  return reinterpret_cast<float*>(t.raw());
}
inline const int32_t* ints(const Tensor& t) { return reinterpret_cast<const int32_t*>(t.raw()); }
inline kernels::cuda::Float float_of(const Tensor& t) {
  using kernels::cuda::Float;
  if (t.dtype() == DType::bf16) return Float::bf16;
  if (t.dtype() == DType::f16) return Float::f16;
  ECH_CHECK(t.dtype() == DType::f32, "{} is not a floating-point type of the ops",
            name_of(t.dtype()));
  return Float::f32;
}
/// `floats` of scratch.
inline float* scratch(CudaStream& s, int64_t floats) {
  return static_cast<float*>(s.workspace(static_cast<size_t>(floats) * sizeof(float)));
}
/// After a launcher: a launch that the device refused is an error of that op.
inline void launched() { ECH_CUDA(cudaGetLastError()); }

}  // namespace echelon::backend::cuda
