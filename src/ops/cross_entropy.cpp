#include "echelon/ops/cross_entropy.h"

#include "check.h"

namespace echelon::ops {
namespace {

Arguments checked(const char* op, const Tensor& logits, int64_t valid) {
  Arguments arguments(op, logits);
  arguments.matrix("logits", logits, rows_of(logits), columns_of(logits));
  ECH_CHECK(valid >= 0 && valid <= columns_of(logits), "{}: {} valid columns of {}", op, valid,
            columns_of(logits));
  return arguments;
}

}  // namespace

void cross_entropy_max(const Tensor& logits, int64_t valid, Tensor& max, Stream& stream) {
  Arguments arguments = checked("cross_entropy_max", logits, valid);
  arguments.vector("max", max, rows_of(logits));
  arguments.table().cross_entropy_max(logits, valid, max, stream);
}

void cross_entropy_sums(const Tensor& logits, int64_t valid, const Tensor& max,
                        const Tensor& targets, int64_t first_column, Tensor& sum,
                        Tensor& target_logit, Stream& stream) {
  const int64_t r = rows_of(logits);
  Arguments arguments = checked("cross_entropy_sums", logits, valid);
  arguments.vector("max", max, r).count("targets", targets, DType::i32, r);
  arguments.vector("sum", sum, r).vector("target_logit", target_logit, r);
  arguments.table().cross_entropy_sums(logits, valid, max, targets, first_column, sum, target_logit,
                                       stream);
}

double cross_entropy_loss(const Tensor& max, const Tensor& sum, const Tensor& target_logit,
                          const Tensor& targets, Stream& stream) {
  const int64_t r = targets.elements();
  Arguments arguments("cross_entropy_loss", max);
  arguments.vector("max", max, r).vector("sum", sum, r).vector("target_logit", target_logit, r);
  arguments.count("targets", targets, DType::i32, r);
  return arguments.table().cross_entropy_loss(max, sum, target_logit, targets, stream);
}

void cross_entropy_backward(Tensor& logits, int64_t valid, const Tensor& max, const Tensor& sum,
                            const Tensor& targets, int64_t first_column, float scale,
                            Stream& stream) {
  const int64_t r = rows_of(logits);
  Arguments arguments = checked("cross_entropy_backward", logits, valid);
  arguments.vector("max", max, r).vector("sum", sum, r).count("targets", targets, DType::i32, r);
  arguments.table().cross_entropy_backward(logits, valid, max, sum, targets, first_column, scale,
                                           stream);
}

}  // namespace echelon::ops
