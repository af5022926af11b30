#include "kernels/cpu/norm.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

void layer_norm_forward(const Tensor& x, const Tensor& gain, const Tensor& bias, float eps,
                        Tensor& y, Tensor& mean, Tensor& rstd, Stream& stream) {
  stream.run([x, gain, bias, eps, y, mean, rstd] {
    k::layer_norm_forward(f32(x), f32(gain), f32(bias), eps, f32(y), f32(mean), f32(rstd),
                          rows_of(x), columns_of(x));
  });
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dgain, Tensor& dbias,
                         Stream& stream) {
  stream.run([dy, x, gain, mean, rstd, dx, dgain, dbias] {
    k::layer_norm_backward(f32(dy), f32(x), f32(gain), f32(mean), f32(rstd), f32(dx), f32(dgain),
                           f32(dbias), rows_of(x), columns_of(x));
  });
}

void rms_norm_forward(const Tensor& x, const Tensor& gain, float eps, Tensor& y, Tensor& rstd,
                      Stream& stream) {
  stream.run([x, gain, eps, y, rstd] {
    k::rms_norm_forward(f32(x), f32(gain), eps, f32(y), f32(rstd), rows_of(x), columns_of(x));
  });
}

void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& rstd,
                       Tensor& dx, Tensor& dgain, Stream& stream) {
  stream.run([dy, x, gain, rstd, dx, dgain] {
    k::rms_norm_backward(f32(dy), f32(x), f32(gain), f32(rstd), f32(dx), f32(dgain), rows_of(x),
                         columns_of(x));
  });
}

}  // namespace

void fill_norm(ops::OpTable& table) {
  table.layer_norm_forward = layer_norm_forward;
  table.layer_norm_backward = layer_norm_backward;
  table.rms_norm_forward = rms_norm_forward;
  table.rms_norm_backward = rms_norm_backward;
}

}  // namespace echelon::backend::cpu
