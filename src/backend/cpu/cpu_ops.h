#pragma once
// CPU versions of the ops: tensors to raw pointers, executed in stream order.
#include "echelon/ops/table.h"
#include "kernels/cpu/philox.h"

namespace echelon::backend::cpu {

/// One source fills one group of the table.
void fill_linear(ops::OpTable& table);
void fill_attention(ops::OpTable& table);
void fill_norm(ops::OpTable& table);
void fill_activation(ops::OpTable& table);
void fill_embedding(ops::OpTable& table);
void fill_cross_entropy(ops::OpTable& table);
void fill_elementwise(ops::OpTable& table);
void fill_random(ops::OpTable& table);
void fill_optimizer(ops::OpTable& table);

inline kernels::cpu::PhiloxKey key_of(Philox rng) { return {rng.seed, rng.stream}; }
inline int64_t columns_of(const Tensor& t) { return t.shape().rank() == 0 ? 1 : t.size(-1); }
inline int64_t rows_of(const Tensor& t) {
  return columns_of(t) == 0 ? 0 : t.elements() / columns_of(t);
}
inline float* f32(const Tensor& t) { return t.data<float>(); }

}  // namespace echelon::backend::cpu
