#pragma once
#include <span>
#include <string_view>

#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

enum class Activation { gelu, gelu_tanh, relu, swiglu };

/// gelu (erf form), gelu_tanh, relu: y[R,F] = act(x[R,F]).
/// swiglu: x is [R, 2F] = gate | up, y[R,F] = silu(gate) * up (Shazeer 2020).
void activation_forward(Activation kind, const Tensor& x, Tensor& y, Stream& stream);
/// dx (shape of x) from dy and the saved x. Sets dx.
void activation_backward(Activation kind, const Tensor& dy, const Tensor& x, Tensor& dx,
                         Stream& stream);

}  // namespace echelon::ops
