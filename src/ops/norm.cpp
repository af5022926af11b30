#include "echelon/ops/norm.h"

#include "check.h"

namespace echelon::ops {

void layer_norm_forward(const Tensor& x, const Tensor& gain, const Tensor& bias, float eps,
                        Tensor& y, Tensor& mean, Tensor& rstd, Stream& stream) {
  const int64_t r = rows_of(x), c = columns_of(x);
  Arguments arguments("layer_norm_forward", x);
  arguments.matrix("x", x, r, c).vector("gain", gain, c).vector("bias", bias, c);
  arguments.matrix("y", y, r, c).vector("mean", mean, r).vector("rstd", rstd, r);
  arguments.table().layer_norm_forward(x, gain, bias, eps, y, mean, rstd, stream);
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dgain, Tensor& dbias,
                         Stream& stream) {
  const int64_t r = rows_of(x), c = columns_of(x);
  Arguments arguments("layer_norm_backward", x);
  arguments.matrix("dy", dy, r, c).matrix("x", x, r, c).vector("gain", gain, c);
  arguments.vector("mean", mean, r).vector("rstd", rstd, r).matrix("dx", dx, r, c);
  arguments.vector("dgain", dgain, c).vector("dbias", dbias, c);
  arguments.table().layer_norm_backward(dy, x, gain, mean, rstd, dx, dgain, dbias, stream);
}

void rms_norm_forward(const Tensor& x, const Tensor& gain, float eps, Tensor& y, Tensor& rstd,
                      Stream& stream) {
  const int64_t r = rows_of(x), c = columns_of(x);
  Arguments arguments("rms_norm_forward", x);
  arguments.matrix("x", x, r, c).vector("gain", gain, c);
  arguments.matrix("y", y, r, c).vector("rstd", rstd, r);
  arguments.table().rms_norm_forward(x, gain, eps, y, rstd, stream);
}

void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& rstd,
                       Tensor& dx, Tensor& dgain, Stream& stream) {
  const int64_t r = rows_of(x), c = columns_of(x);
  Arguments arguments("rms_norm_backward", x);
  arguments.matrix("dy", dy, r, c).matrix("x", x, r, c).vector("gain", gain, c);
  arguments.vector("rstd", rstd, r).matrix("dx", dx, r, c).vector("dgain", dgain, c);
  arguments.table().rms_norm_backward(dy, x, gain, rstd, dx, dgain, stream);
}

}  // namespace echelon::ops
