#include "kernels/cuda/cross_entropy.h"

#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

k::Logits shape_of(const Tensor& logits, int64_t valid, const Tensor& targets, int64_t first) {
  return {rows_of(logits), columns_of(logits), valid, ints(targets), first};
}

void max_pass(const Tensor& logits, int64_t valid, Tensor& max, Stream& stream) {
  k::row_max(float_of(logits), logits.raw(), rows_of(logits), columns_of(logits), valid, f32(max),
             on(stream).native());
  launched();
}

void sums_pass(const Tensor& logits, int64_t valid, const Tensor& max, const Tensor& targets,
               int64_t first_column, Tensor& sum, Tensor& target_logit, Stream& stream) {
  k::row_sums(float_of(logits), logits.raw(), shape_of(logits, valid, targets, first_column),
              f32(max), f32(sum), f32(target_logit), on(stream).native());
  launched();
}

double loss(const Tensor& max, const Tensor& sum, const Tensor& target_logit, const Tensor& targets,
            Stream& stream) {
  CudaStream& s = on(stream);
  k::loss_sum(f32(max), f32(sum), f32(target_logit), ints(targets), ops::kIgnoreTarget,
              targets.elements(), static_cast<double*>(s.result()), s.native());
  launched();
  return s.fetch_result<double>();
}

void backward(Tensor& logits, int64_t valid, const Tensor& max, const Tensor& sum,
              const Tensor& targets, int64_t first_column, float scale, Stream& stream) {
  k::softmax_gradient(float_of(logits), logits.raw(),
                      shape_of(logits, valid, targets, first_column), f32(max), f32(sum),
                      ops::kIgnoreTarget, scale, on(stream).native());
  launched();
}

}  // namespace

void fill_cross_entropy(ops::OpTable& table) {
  table.cross_entropy_max = max_pass;
  table.cross_entropy_sums = sums_pass;
  table.cross_entropy_loss = loss;
  table.cross_entropy_backward = backward;
}

}  // namespace echelon::backend::cuda
