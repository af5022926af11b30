#include "echelon/ops/elementwise.h"

#include "check.h"

namespace echelon::ops {
namespace {

void check_placement(const char* op, const Tensor& t, const Placement& where) {
  ECH_CHECK(where.first_row >= 0 && where.first_column >= 0 &&
                where.first_column + columns_of(t) <= where.whole_columns,
            "{}: columns [{}, {}) of {}", op, where.first_column,
            where.first_column + columns_of(t), where.whole_columns);
}

}  // namespace

void zero(Tensor& dst, Stream& stream) {
  Arguments("zero", dst).defined("dst", dst).table().zero(dst, stream);
}

void add(const Tensor& a, const Tensor& b, Tensor& dst, Stream& stream) {
  const int64_t n = dst.elements();
  Arguments arguments("add", dst);
  arguments.vector("a", a, n).vector("b", b, n).vector("dst", dst, n);
  arguments.table().add(a, b, dst, stream);
}

void axpy(float factor, const Tensor& src, Tensor& dst, Stream& stream) {
  Arguments arguments("axpy", dst);
  arguments.vector("src", src, dst.elements()).vector("dst", dst, dst.elements());
  arguments.table().axpy(factor, src, dst, stream);
}

void scale(float factor, Tensor& dst, Stream& stream) {
  Arguments("scale", dst).vector("dst", dst, dst.elements()).table().scale(factor, dst, stream);
}

void cast(const Tensor& src, Tensor& dst, Stream& stream) {
  Arguments arguments("cast", dst);
  arguments.defined("src", src).defined("dst", dst);
  ECH_CHECK(is_float(src.dtype()) && is_float(dst.dtype()), "cast: {} to {}", name_of(src.dtype()),
            name_of(dst.dtype()));
  ECH_CHECK(src.elements() == dst.elements(), "cast: {} to {}", to_string(src.shape()),
            to_string(dst.shape()));
  arguments.table().cast(src, dst, stream);
}

void dropout(Tensor& x, float p, Philox rng, const Placement& where, Stream& stream) {
  Arguments arguments("dropout", x);
  arguments.vector("x", x, x.elements());
  check_placement("dropout", x, where);
  ECH_CHECK(p >= 0.0f && p < 1.0f, "dropout: p is {}, wanted [0, 1)", p);
  arguments.table().dropout(x, p, rng, where, stream);
}

void fill_normal(Tensor& dst, float mean, float deviation, Philox rng, const Placement& where,
                 Stream& stream) {
  Arguments arguments("fill_normal", dst);
  arguments.vector("dst", dst, dst.elements());
  check_placement("fill_normal", dst, where);
  arguments.table().fill_normal(dst, mean, deviation, rng, where, stream);
}

void fill_uniform(Tensor& dst, float bound, Philox rng, const Placement& where, Stream& stream) {
  Arguments arguments("fill_uniform", dst);
  arguments.vector("dst", dst, dst.elements());
  check_placement("fill_uniform", dst, where);
  arguments.table().fill_uniform(dst, bound, rng, where, stream);
}

void fill_constant(Tensor& dst, float value, Stream& stream) {
  Arguments arguments("fill_constant", dst);
  arguments.vector("dst", dst, dst.elements()).table().fill_constant(dst, value, stream);
}

double sum_of_squares(const Tensor& x, Stream& stream) {
  return Arguments("sum_of_squares", x)
      .vector("x", x, x.elements())
      .table()
      .sum_of_squares(x, stream);
}

bool all_finite(const Tensor& x, Stream& stream) {
  Arguments arguments("all_finite", x);
  ECH_CHECK(is_float(x.dtype()), "all_finite: x is {}", name_of(x.dtype()));
  return arguments.defined("x", x).table().all_finite(x, stream);
}

}  // namespace echelon::ops
