#include "echelon/ops/activation.h"

#include "check.h"

namespace echelon::ops {

void activation_forward(Activation kind, const Tensor& x, Tensor& y, Stream& stream) {
  const int64_t r = rows_of(y), f = columns_of(y), factor = kind == Activation::swiglu ? 2 : 1;
  Arguments arguments("activation_forward", x);
  arguments.matrix("x", x, r, factor * f).matrix("y", y, r, f);
  arguments.table().activation_forward(kind, x, y, stream);
}

void activation_backward(Activation kind, const Tensor& dy, const Tensor& x, Tensor& dx,
                         Stream& stream) {
  const int64_t r = rows_of(dy), f = columns_of(dy), factor = kind == Activation::swiglu ? 2 : 1;
  Arguments arguments("activation_backward", x);
  arguments.matrix("dy", dy, r, f).matrix("x", x, r, factor * f).matrix("dx", dx, r, factor * f);
  arguments.table().activation_backward(kind, dy, x, dx, stream);
}

}  // namespace echelon::ops
