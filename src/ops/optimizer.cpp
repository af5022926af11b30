#include "echelon/ops/optimizer.h"

#include "check.h"

namespace echelon::ops {

void adam_update(const AdamStep& s, Tensor& param, const Tensor& grad, Tensor& m, Tensor& v,
                 Stream& stream) {
  const int64_t n = param.elements();
  Arguments arguments("adam_update", param);
  arguments.vector("param", param, n).vector("grad", grad, n).vector("m", m, n).vector("v", v, n);
  ECH_CHECK(s.step >= 1, "adam_update: step {} , wanted 1 or more", s.step);
  arguments.table().adam_update(s, param, grad, m, v, stream);
}

void lion_update(const LionStep& s, Tensor& param, const Tensor& grad, Tensor& m, Stream& stream) {
  const int64_t n = param.elements();
  Arguments arguments("lion_update", param);
  arguments.vector("param", param, n).vector("grad", grad, n).vector("m", m, n);
  arguments.table().lion_update(s, param, grad, m, stream);
}

void sgd_update(const SgdStep& s, Tensor& param, const Tensor& grad, Tensor* buffer,
                Stream& stream) {
  const int64_t n = param.elements();
  Arguments arguments("sgd_update", param);
  arguments.vector("param", param, n).vector("grad", grad, n);
  const bool buffered = s.momentum != 0.0;
  ECH_CHECK(!buffered || buffer != nullptr, "sgd_update: momentum {} without a buffer", s.momentum);
  ECH_CHECK(buffered || !s.nesterov, "sgd_update: nesterov without momentum");
  if (buffered) arguments.vector("buffer", *buffer, n);
  arguments.table().sgd_update(s, param, grad, buffered ? buffer : nullptr, stream);
}

void lamb_direction(const AdamStep& s, bool corrected, const Tensor& param, const Tensor& grad,
                    Tensor& m, Tensor& v, Tensor& update, Stream& stream) {
  const int64_t n = param.elements();
  Arguments arguments("lamb_direction", param);
  arguments.vector("param", param, n).vector("grad", grad, n).vector("m", m, n).vector("v", v, n);
  arguments.vector("update", update, n);
  ECH_CHECK(s.step >= 1, "lamb_direction: step {}, wanted 1 or more", s.step);
  arguments.table().lamb_direction(s, corrected, param, grad, m, v, update, stream);
}

}  // namespace echelon::ops
