#include "kernels/cpu/elementwise.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Float float_of(DType dtype) {
  if (dtype == DType::bf16) return k::Float::bf16;
  if (dtype == DType::f16) return k::Float::f16;
  ECH_CHECK(dtype == DType::f32, "{} is not a floating-point type of the ops", name_of(dtype));
  return k::Float::f32;
}

void zero(Tensor& dst, Stream& stream) {
  stream.run([dst] { k::zero(dst.raw(), static_cast<int64_t>(dst.bytes())); });
}
void add(const Tensor& a, const Tensor& b, Tensor& dst, Stream& stream) {
  stream.run([=] { k::add(f32(a), f32(b), f32(dst), dst.elements()); });
}
void axpy(float factor, const Tensor& src, Tensor& dst, Stream& stream) {
  stream.run([=] { k::axpy(factor, f32(src), f32(dst), dst.elements()); });
}
void scale(float factor, Tensor& dst, Stream& stream) {
  stream.run([=] { k::scale(factor, f32(dst), dst.elements()); });
}
void cast(const Tensor& src, Tensor& dst, Stream& stream) {
  stream.run([=] {
    k::cast(float_of(src.dtype()), src.raw(), float_of(dst.dtype()), dst.raw(), dst.elements());
  });
}
void fill_constant(Tensor& dst, float value, Stream& stream) {
  stream.run([=] { k::fill(value, f32(dst), dst.elements()); });
}
double sum_of_squares(const Tensor& x, Stream& stream) {
  stream.synchronize();
  return k::sum_of_squares(f32(x), x.elements());
}
bool all_finite(const Tensor& x, Stream& stream) {
  stream.synchronize();
  return k::all_finite(float_of(x.dtype()), x.raw(), x.elements());
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
}

}  // namespace echelon::backend::cpu
