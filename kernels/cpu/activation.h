#pragma once
#include <cstdint>

namespace kernels::cpu {

enum class Act { gelu, gelu_tanh, relu };

void activation_forward(Act kind, const float* x, float* y, int64_t n);
void activation_backward(Act kind, const float* dy, const float* x, float* dx, int64_t n);
/// x is [rows, 2*columns] = gate | up; y = silu(gate) * up.
void swiglu_forward(const float* x, float* y, int64_t rows, int64_t columns);
void swiglu_backward(const float* dy, const float* x, float* dx, int64_t rows, int64_t columns);

}  // namespace kernels::cpu
