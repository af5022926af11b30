#include "kernels/cpu/optimizer.h"

#include <cmath>

#include "kernels/cpu/parallel.h"

namespace kernels::cpu {

void adam(const AdamScalars& scalars, float* p, const float* g, float* m, float* v, int64_t n) {
  const AdamScalars s = scalars;
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {
      const float gradient = s.grad_scale * g[i] + s.coupled_decay * p[i];
      const float first = s.beta1 * m[i] + s.one_minus_beta1 * gradient;
      const float second = s.beta2 * v[i] + s.one_minus_beta2 * gradient * gradient;
      m[i] = first;
      v[i] = second;
      p[i] = s.shrink * p[i] - s.rate * first / (std::sqrt(second) * s.root_scale + s.eps);
    }
  });
}

void lamb(const LambScalars& scalars, const float* p, const float* g, float* m, float* v, float* u,
          int64_t n) {
  const LambScalars s = scalars;
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {
      const float gradient = s.grad_scale * g[i];
      const float first = s.beta1 * m[i] + s.one_minus_beta1 * gradient;
      const float second = s.beta2 * v[i] + s.one_minus_beta2 * gradient * gradient;
      m[i] = first;
      v[i] = second;
      u[i] = s.m_scale * first / (std::sqrt(second) * s.root_scale + s.eps) + s.decay * p[i];
    }
  });
}

void lion(const LionScalars& scalars, float* p, const float* g, float* m, int64_t n) {
  const LionScalars s = scalars;
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {
      const float gradient = s.grad_scale * g[i];
      const float mix = s.beta1 * m[i] + s.one_minus_beta1 * gradient;
      const float step = mix > 0.0f ? s.lr : (mix < 0.0f ? -s.lr : 0.0f);
      p[i] = s.shrink * p[i] - step;
      m[i] = s.beta2 * m[i] + s.one_minus_beta2 * gradient;
    }
  });
}

void sgd(const SgdScalars& scalars, float* p, const float* g, float* buffer, int64_t n) {
  const SgdScalars s = scalars;
  parallel_ranges(n, kGrain, [=](int64_t from, int64_t to) {
    if (!buffer) {
#pragma omp simd
      for (int64_t i = from; i < to; ++i) p[i] -= s.lr * (s.grad_scale * g[i] + s.decay * p[i]);
      return;
    }
    // The first buffer is the gradient itself, whatever the memory held before.
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {
      const float gradient = s.grad_scale * g[i] + s.decay * p[i];
      const float b = s.first ? gradient : s.momentum * buffer[i] + gradient;
      buffer[i] = b;
      p[i] -= s.lr * (s.nesterov ? gradient + s.momentum * b : b);
    }
  });
}

}  // namespace kernels::cpu
