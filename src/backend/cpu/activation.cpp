#include "kernels/cpu/activation.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Act kernel_of(ops::Activation kind) {
  switch (kind) {
    case ops::Activation::gelu: return k::Act::gelu;
    case ops::Activation::gelu_tanh: return k::Act::gelu_tanh;
    case ops::Activation::relu: return k::Act::relu;
    case ops::Activation::swiglu: break;
  }
  ECH_CHECK(false, "activation {} is not elementwise", static_cast<int>(kind));
}

void forward(ops::Activation kind, const Tensor& x, Tensor& y, Stream& stream) {
  stream.run([kind, x, y] {
    if (kind == ops::Activation::swiglu)
      k::swiglu_forward(f32(x), f32(y), rows_of(y), columns_of(y));
    else
      k::activation_forward(kernel_of(kind), f32(x), f32(y), y.elements());
  });
}

void backward(ops::Activation kind, const Tensor& dy, const Tensor& x, Tensor& dx, Stream& stream) {
  stream.run([kind, dy, x, dx] {
    if (kind == ops::Activation::swiglu)
      k::swiglu_backward(f32(dy), f32(x), f32(dx), rows_of(dy), columns_of(dy));
    else
      k::activation_backward(kernel_of(kind), f32(dy), f32(x), f32(dx), dy.elements());
  });
}

}  // namespace

void fill_activation(ops::OpTable& table) {
  table.activation_forward = forward;
  table.activation_backward = backward;
}

}  // namespace echelon::backend::cpu
