#include "kernels/cuda/activation.h"

#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;
using ops::Activation;

k::Act act_of(Activation kind) {
  if (kind == Activation::gelu) return k::Act::gelu;
  return kind == Activation::gelu_tanh ? k::Act::gelu_tanh : k::Act::relu;
}

void forward(Activation kind, const Tensor& x, Tensor& y, Stream& stream) {
  const auto native = on(stream).native();
  if (kind == Activation::swiglu)
    k::swiglu_forward(float_of(x), x.raw(), y.raw(), rows_of(y), columns_of(y), native);
  else
    k::activation_forward(act_of(kind), float_of(x), x.raw(), y.raw(), x.elements(), native);
  launched();
}

void backward(Activation kind, const Tensor& dy, const Tensor& x, Tensor& dx, Stream& stream) {
  const auto native = on(stream).native();
  if (kind == Activation::swiglu)
    k::swiglu_backward(float_of(x), dy.raw(), x.raw(), dx.raw(), rows_of(dy), columns_of(dy),
                       native);
  else
    k::activation_backward(act_of(kind), float_of(x), dy.raw(), x.raw(), dx.raw(), x.elements(),
                           native);
  launched();
}

}  // namespace

void fill_activation(ops::OpTable& table) {
  table.activation_forward = forward;
  table.activation_backward = backward;
}

}  // namespace echelon::backend::cuda
