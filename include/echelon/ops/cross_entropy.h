#pragma once
// Cross-entropy over a vocabulary that may be split over tensor-parallel ranks: the three passes
// between which the caller all-reduces max, then sum and target logit.
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

inline constexpr int32_t kIgnoreTarget = -100;

/// max[r] = largest of logits[r, 0..valid) ; columns from `valid` on are vocabulary padding.
void cross_entropy_max(const Tensor& logits, int64_t valid, Tensor& max, Stream& stream);
/// sum[r] = sum over valid columns of exp(logits - max); target_logit[r] = logits[r, target -
/// first_column] when this rank holds it, else 0 (also for ignored targets).
void cross_entropy_sums(const Tensor& logits, int64_t valid, const Tensor& max,
                        const Tensor& targets, int64_t first_column, Tensor& sum,
                        Tensor& target_logit, Stream& stream);
/// Returns the sum over targets that are not ignored of log(sum) + max - target_logit, in nats, in
/// double, rows in order.
double cross_entropy_loss(const Tensor& max, const Tensor& sum, const Tensor& target_logit,
                          const Tensor& targets, Stream& stream);
/// logits become their gradient: scale * (softmax - one_hot(target)), 0 in ignored rows and
/// padding.
void cross_entropy_backward(Tensor& logits, int64_t valid, const Tensor& max, const Tensor& sum,
                            const Tensor& targets, int64_t first_column, float scale,
                            Stream& stream);

}  // namespace echelon::ops
