#include "kernels/cuda/norm.h"

#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

void layer_norm_forward(const Tensor& x, const Tensor& gain, const Tensor& bias, float eps,
                        Tensor& y, Tensor& mean, Tensor& rstd, Stream& stream) {
  k::layer_norm_forward(float_of(x), x.raw(), f32(gain), f32(bias), eps, y.raw(), f32(mean),
                        f32(rstd), rows_of(x), columns_of(x), on(stream).native());
  launched();
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dgain, Tensor& dbias,
                         Stream& stream) {
  CudaStream& s = on(stream);
  k::layer_norm_backward(float_of(x), dy.raw(), x.raw(), f32(gain), f32(mean), f32(rstd), dx.raw(),
                         f32(dgain), f32(dbias), rows_of(x), columns_of(x),
                         scratch(s, k::norm_workspace(rows_of(x), columns_of(x))), s.native());
  launched();
}

void rms_norm_forward(const Tensor& x, const Tensor& gain, float eps, Tensor& y, Tensor& rstd,
                      Stream& stream) {
  k::rms_norm_forward(float_of(x), x.raw(), f32(gain), eps, y.raw(), f32(rstd), rows_of(x),
                      columns_of(x), on(stream).native());
  launched();
}

void rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& gain, const Tensor& rstd,
                       Tensor& dx, Tensor& dgain, Stream& stream) {
  CudaStream& s = on(stream);
  k::rms_norm_backward(float_of(x), dy.raw(), x.raw(), f32(gain), f32(rstd), dx.raw(), f32(dgain),
                       rows_of(x), columns_of(x),
                       scratch(s, k::norm_workspace(rows_of(x), columns_of(x))), s.native());
  launched();
}

}  // namespace

void fill_norm(ops::OpTable& table) {
  table.layer_norm_forward = layer_norm_forward;
  table.layer_norm_backward = layer_norm_backward;
  table.rms_norm_forward = rms_norm_forward;
  table.rms_norm_backward = rms_norm_backward;
}

}  // namespace echelon::backend::cuda
