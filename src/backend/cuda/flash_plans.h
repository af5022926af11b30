#pragma once
// Attention on tensor cores through cuDNN's graph API, where it supports the problem.
#include <compare>
#include <cstdint>
#include <memory>

#include "echelon/device/dtype.h"

namespace echelon::backend::cuda {

class CudaStream;

/// Everything a plan depends on. Strides are elements from row to row; a head's rows are head_size
/// neighbours, heads follow each other.
struct FlashShape {
  int64_t batch, queries, keys, heads, kv_heads, head_size;
  bool causal;  ///< query i sees key j iff i >= j
  DType type;   ///< bf16 or f16
  int64_t q_stride, k_stride, v_stride;
  int64_t dq_stride = 0, dk_stride = 0, dv_stride = 0;  ///< 0: forward only
  auto operator<=>(const FlashShape&) const = default;
};

/// out and dout are packed [batch*queries, heads*head_size]; lse is f32 [batch, heads, queries].
struct FlashTensors {
  const void *q, *k, *v;
  void *out, *lse;
  const void* dout = nullptr;
  void *dq = nullptr, *dk = nullptr, *dv = nullptr;
  float scale = 1.0f;
};

/// Plans of one stream. Both calls return false, having done nothing, where the library is absent
/// or has no plan for the shape; the answer is kept with the shape.
class FlashPlans {
 public:
  FlashPlans();
  ~FlashPlans();
  bool forward(const FlashShape& shape, const FlashTensors& tensors, CudaStream& stream);
  /// Sets dq, dk and dv, the same bits in every run.
  bool backward(const FlashShape& shape, const FlashTensors& tensors, CudaStream& stream);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace echelon::backend::cuda
