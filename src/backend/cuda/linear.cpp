#include "cuda_ops.h"
#include "kernels/cuda/norm.h"
#include "products.h"

namespace echelon::backend::cuda {
namespace {

// The library is column-major: a row-major [rows, columns] is its [columns, rows].

void multiply(CudaStream& s, const Product& product, const Tensor& a, const Tensor& b, Tensor& d,
              const Tensor* bias) {
  void* const workspace = s.workspace(Products::kWorkspaceBytes);
  s.products().run(product, a.raw(), b.raw(), d.raw(), bias ? bias->raw() : nullptr, workspace,
                   s.native());
}

void linear_forward(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y,
                    Stream& stream) {
  const int64_t m = rows_of(x), n = rows_of(w), k = columns_of(w);
  if (m == 0 || n == 0) return;
  ECH_CHECK(k > 0, "linear_forward: no input channels");
  const Product product{.transpose_a = true,
                        .transpose_b = false,
                        .m = n,
                        .n = m,
                        .k = k,
                        .lda = k,
                        .ldb = k,
                        .type_a = w.dtype(),
                        .type_b = x.dtype(),
                        .type_d = y.dtype(),
                        .bias = bias != nullptr,
                        .accumulate = false};
  multiply(on(stream), product, w, x, y, bias);
}

void linear_backward_input(const Tensor& dy, const Tensor& w, Tensor& dx, Stream& stream) {
  const int64_t m = rows_of(dy), n = rows_of(w), k = columns_of(w);
  if (m == 0 || k == 0) return;
  ECH_CHECK(n > 0, "linear_backward_input: no output channels");
  const Product product{.transpose_a = false,
                        .transpose_b = false,
                        .m = k,
                        .n = m,
                        .k = n,
                        .lda = k,
                        .ldb = n,
                        .type_a = w.dtype(),
                        .type_b = dy.dtype(),
                        .type_d = dx.dtype(),
                        .bias = false,
                        .accumulate = false};
  multiply(on(stream), product, w, dy, dx, nullptr);
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw, Tensor* dbias,
                            Stream& stream) {
  CudaStream& s = on(stream);
  const int64_t m = rows_of(dy), n = rows_of(dw), k = columns_of(dw);
  if (m == 0 || n == 0) return;
  if (k > 0) {
    const Product product{.transpose_a = false,
                          .transpose_b = true,
                          .m = k,
                          .n = n,
                          .k = m,
                          .lda = k,
                          .ldb = n,
                          .type_a = x.dtype(),
                          .type_b = dy.dtype(),
                          .type_d = dw.dtype(),
                          .bias = false,
                          .accumulate = true};
    multiply(s, product, x, dy, dw, nullptr);
  }
  if (!dbias) return;
  // The library's bias-gradient epilogue sets; this one adds, in a fixed order.
  namespace kernel = kernels::cuda;
  kernel::bias_gradient(float_of(dy), dy.raw(), f32(*dbias), m, n,
                        scratch(s, kernel::bias_workspace(m, n)), s.native());
  launched();
}

}  // namespace

void fill_linear(ops::OpTable& table) {
  table.linear_forward = linear_forward;
  table.linear_backward_input = linear_backward_input;
  table.linear_backward_weight = linear_backward_weight;
}

}  // namespace echelon::backend::cuda
