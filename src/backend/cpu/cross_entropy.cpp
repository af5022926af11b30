#include "kernels/cpu/cross_entropy.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Logits shape_of(const Tensor& logits, int64_t valid, const Tensor& targets, int64_t first) {
  return {rows_of(logits), columns_of(logits), valid, targets.data<int32_t>(), first};
}

void max_pass(const Tensor& logits, int64_t valid, Tensor& max, Stream& stream) {
  stream.run(
      [=] { k::row_max(f32(logits), rows_of(logits), columns_of(logits), valid, f32(max)); });
}

void sums_pass(const Tensor& logits, int64_t valid, const Tensor& max, const Tensor& targets,
               int64_t first_column, Tensor& sum, Tensor& target_logit, Stream& stream) {
  stream.run([=] {
    k::row_sums(f32(logits), shape_of(logits, valid, targets, first_column), f32(max), f32(sum),
                f32(target_logit));
  });
}

double loss(const Tensor& max, const Tensor& sum, const Tensor& target_logit, const Tensor& targets,
            Stream& stream) {
  stream.synchronize();
  return k::loss_sum(f32(max), f32(sum), f32(target_logit), targets.data<int32_t>(),
                     ops::kIgnoreTarget, targets.elements());
}

void backward(Tensor& logits, int64_t valid, const Tensor& max, const Tensor& sum,
              const Tensor& targets, int64_t first_column, float scale, Stream& stream) {
  stream.run([=] {
    k::softmax_gradient(f32(logits), shape_of(logits, valid, targets, first_column), f32(max),
                        f32(sum), ops::kIgnoreTarget, scale);
  });
}

}  // namespace

void fill_cross_entropy(ops::OpTable& table) {
  table.cross_entropy_max = max_pass;
  table.cross_entropy_sums = sums_pass;
  table.cross_entropy_loss = loss;
  table.cross_entropy_backward = backward;
}

}  // namespace echelon::backend::cpu
