#pragma once
// Activations element by element; dx may be dy or x.
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

enum class Act { gelu, gelu_tanh, relu };
void activation_forward(Act kind, Float type, const void* x, void* y, int64_t n, Stream stream);
void activation_backward(Act kind, Float type, const void* dy, const void* x, void* dx, int64_t n,
                         Stream stream);
/// x is [rows, 2*columns] = gate | up, y [rows, columns] = silu(gate) * up.
void swiglu_forward(Float type, const void* x, void* y, int64_t rows, int64_t columns,
                    Stream stream);
void swiglu_backward(Float type, const void* dy, const void* x, void* dx, int64_t rows,
                     int64_t columns, Stream stream);

}  // namespace kernels::cuda
