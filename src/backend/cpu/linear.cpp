#include <memory>
#include <new>

#include "cpu_ops.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/parallel.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Float float_of(DType dtype) {
  if (dtype == DType::bf16) return k::Float::bf16;
  return dtype == DType::f16 ? k::Float::f16 : k::Float::f32;
}

k::GemmOperand operand(const Tensor& t, bool transposed) {
  return {t.raw(), columns_of(t), transposed, float_of(t.dtype())};
}

struct Release {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};

// About a megabyte a thread, which malloc keeps at hand: no new pages after the first calls.
void run(const k::Gemm& gemm) {
  const int threads = k::max_threads();
  const size_t bytes = k::gemm_scratch_bytes(gemm, threads);
  const std::unique_ptr<float, Release> scratch(
      static_cast<float*>(::operator new[](bytes, std::align_val_t{64})));
  k::gemm(gemm, scratch.get(), threads);
}

void linear_forward(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y,
                    Stream& stream) {
  stream.run([x, w, y, bias = bias ? *bias : Tensor()] {
    k::Gemm g{rows_of(x), columns_of(y), columns_of(x)};
    g.a = operand(x, false);
    g.b = operand(w, true);
    g.c = f32(y);
    g.c_stride = g.n;
    g.bias = bias.defined() ? f32(bias) : nullptr;
    run(g);
  });
}

void linear_backward_input(const Tensor& dy, const Tensor& w, Tensor& dx, Stream& stream) {
  stream.run([dy, w, dx] {
    k::Gemm g{rows_of(dy), columns_of(dx), columns_of(dy)};
    g.a = operand(dy, false);
    g.b = operand(w, false);
    g.c = f32(dx);
    g.c_stride = g.n;
    run(g);
  });
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw, Tensor* dbias,
                            Stream& stream) {
  stream.run([dy, x, dw, dbias = dbias ? *dbias : Tensor()] {
    k::Gemm g{columns_of(dy), columns_of(x), rows_of(dy)};
    g.a = operand(dy, true);
    g.b = operand(x, false);
    g.c = f32(dw);
    g.c_stride = g.n;
    g.accumulate = true;
    g.row_sums = dbias.defined() ? f32(dbias) : nullptr;
    run(g);
  });
}

}  // namespace

void fill_linear(ops::OpTable& table) {
  table.linear_forward = linear_forward;
  table.linear_backward_input = linear_backward_input;
  table.linear_backward_weight = linear_backward_weight;
}

}  // namespace echelon::backend::cpu
