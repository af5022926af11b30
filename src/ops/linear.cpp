#include "echelon/ops/linear.h"

#include "check.h"

namespace echelon::ops {
namespace {

/// w may be stored in a 16-bit format.
void check_weight(Arguments& arguments, const char* op, const Tensor& w, int64_t n, int64_t k) {
  arguments.defined("w", w);
  ECH_CHECK(is_float(w.dtype()), "{}: w is {}, wanted f32, bf16 or f16", op, name_of(w.dtype()));
  ECH_CHECK(columns_of(w) == k && w.elements() == n * k, "{}: w is {}, wanted [{}, {}]", op,
            to_string(w.shape()), n, k);
}

}  // namespace

void linear_forward(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y,
                    Stream& stream) {
  const int64_t m = rows_of(x), n = columns_of(y), k = columns_of(x);
  Arguments arguments("linear_forward", x);
  arguments.matrix("x", x, m, k).matrix("y", y, m, n);
  check_weight(arguments, "linear_forward", w, n, k);
  if (bias) arguments.vector("bias", *bias, n);
  arguments.table().linear_forward(x, w, bias, y, stream);
}

void linear_backward_input(const Tensor& dy, const Tensor& w, Tensor& dx, Stream& stream) {
  const int64_t m = rows_of(dy), n = columns_of(dy), k = columns_of(dx);
  Arguments arguments("linear_backward_input", dy);
  arguments.matrix("dy", dy, m, n).matrix("dx", dx, m, k);
  check_weight(arguments, "linear_backward_input", w, n, k);
  arguments.table().linear_backward_input(dy, w, dx, stream);
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw, Tensor* dbias,
                            Stream& stream) {
  const int64_t m = rows_of(dy), n = columns_of(dy), k = columns_of(x);
  Arguments arguments("linear_backward_weight", dy);
  arguments.matrix("dy", dy, m, n).matrix("x", x, m, k).matrix("dw", dw, n, k);
  if (dbias) arguments.vector("dbias", *dbias, n);
  arguments.table().linear_backward_weight(dy, x, dw, dbias, stream);
}

}  // namespace echelon::ops
