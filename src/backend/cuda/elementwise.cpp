#include "kernels/cuda/elementwise.h"

#include "cuda_ops.h"
#include "kernels/cuda/random.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

void zero(Tensor& dst, Stream& stream) {
  if (dst.bytes() > 0) ECH_CUDA(cudaMemsetAsync(dst.raw(), 0, dst.bytes(), on(stream).native()));
}
void add(const Tensor& a, const Tensor& b, Tensor& dst, Stream& stream) {
  k::add(float_of(dst), a.raw(), b.raw(), dst.raw(), dst.elements(), on(stream).native());
  launched();
}
void axpy(float factor, const Tensor& src, Tensor& dst, Stream& stream) {
  k::axpy(factor, f32(src), f32(dst), dst.elements(), on(stream).native());
  launched();
}
void scale(float factor, Tensor& dst, Stream& stream) {
  k::scale(factor, f32(dst), dst.elements(), on(stream).native());
  launched();
}
void cast(const Tensor& src, Tensor& dst, Stream& stream) {
  k::cast(float_of(src), src.raw(), float_of(dst), dst.raw(), dst.elements(), on(stream).native());
  launched();
}
void fill_constant(Tensor& dst, float value, Stream& stream) {
  k::fill(value, f32(dst), dst.elements(), on(stream).native());
  launched();
}

double sum_of_squares(const Tensor& x, Stream& stream) {
  CudaStream& s = on(stream);
  const int64_t partials = k::sum_workspace(x.elements());
  auto* const workspace = reinterpret_cast<double*>(scratch(s, 2 * partials + 2));
  k::sum_of_squares(f32(x), x.elements(), workspace, static_cast<double*>(s.result()), s.native());
  launched();
  return s.fetch_result<double>();
}
bool all_finite(const Tensor& x, Stream& stream) {
  CudaStream& s = on(stream);
  ECH_CUDA(cudaMemsetAsync(s.result(), 0, sizeof(int32_t), s.native()));
  k::find_not_finite(float_of(x), x.raw(), x.elements(), static_cast<int32_t*>(s.result()),
                     s.native());
  launched();
  return s.fetch_result<int32_t>() == 0;
}

k::Part part_of(const Tensor& t, const ops::Placement& where) {
  return {rows_of(t), columns_of(t), where.whole_columns, where.first_row, where.first_column};
}
void dropout(Tensor& x, float p, Philox rng, const ops::Placement& where, Stream& stream) {
  k::dropout(float_of(x), x.raw(), p, key_of(rng), part_of(x, where), on(stream).native());
  launched();
}
void fill_normal(Tensor& dst, float mean, float deviation, Philox rng, const ops::Placement& where,
                 Stream& stream) {
  k::fill_normal(f32(dst), mean, deviation, key_of(rng), part_of(dst, where), on(stream).native());
  launched();
}
void fill_uniform(Tensor& dst, float bound, Philox rng, const ops::Placement& where,
                  Stream& stream) {
  k::fill_uniform(f32(dst), bound, key_of(rng), part_of(dst, where), on(stream).native());
  launched();
}

}  // namespace

void fill_elementwise(ops::OpTable& table) {
  table.zero = zero;
  table.add = add;
  table.axpy = axpy;
  table.scale = scale;
  table.cast = cast;
  table.fill_constant = fill_constant;
  table.sum_of_squares = sum_of_squares;
  table.all_finite = all_finite;
  table.dropout = dropout;
  table.fill_normal = fill_normal;
  table.fill_uniform = fill_uniform;
}

}  // namespace echelon::backend::cuda
