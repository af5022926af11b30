#pragma once
// One fused pass over parameter, gradient and moments. Scalars are prepared by the caller in
// double.
#include <cstdint>

namespace kernels::cpu {

struct AdamScalars {
  float grad_scale;
  float coupled_decay;  ///< g += coupled_decay * p
  float shrink;         ///< p *= shrink, before the update
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float rate;        ///< lr / (1 - beta1^t)
  float root_scale;  ///< 1 / sqrt(1 - beta2^t)
  float eps;
};
void adam(const AdamScalars& s, float* p, const float* g, float* m, float* v, int64_t n);

struct LambScalars {
  float grad_scale, beta1, one_minus_beta1, beta2, one_minus_beta2;
  float m_scale;     ///< 1 / (1 - beta1^t), or 1
  float root_scale;  ///< 1 / sqrt(1 - beta2^t), or 1
  float eps, decay;
};
void lamb(const LambScalars& s, const float* p, const float* g, float* m, float* v, float* u,
          int64_t n);

struct LionScalars {
  float grad_scale, shrink, lr, beta1, one_minus_beta1, beta2, one_minus_beta2;
};
void lion(const LionScalars& s, float* p, const float* g, float* m, int64_t n);

struct SgdScalars {
  float grad_scale, decay, lr, momentum;
  bool nesterov, first;
};
/// `buffer` null: no momentum.
void sgd(const SgdScalars& s, float* p, const float* g, float* buffer, int64_t n);

}  // namespace kernels::cpu
