#include "kernels/cuda/optimizer.h"

#include "kernels/cuda/each.cuh"

namespace kernels::cuda {
namespace {

struct Adam {
  static constexpr int kPack = 4;
  AdamScalars s;
  float* p;
  const float* g;
  float *m, *v;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> param = load<kN>(p + i), first = load<kN>(m + i), second = load<kN>(v + i);
    const Values<kN> grad = load<kN>(g + i);
    for (int k = 0; k < kN; ++k) {
      const float gradient = s.grad_scale * grad.at[k] + s.coupled_decay * param.at[k];
      first.at[k] = s.beta1 * first.at[k] + s.one_minus_beta1 * gradient;
      second.at[k] = s.beta2 * second.at[k] + s.one_minus_beta2 * gradient * gradient;
      param.at[k] = s.shrink * param.at[k] -
                    s.rate * first.at[k] / (sqrtf(second.at[k]) * s.root_scale + s.eps);
    }
    store(m + i, first);
    store(v + i, second);
    store(p + i, param);
  }
};

struct Lamb {
  static constexpr int kPack = 4;
  LambScalars s;
  const float *p, *g;
  float *m, *v, *u;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> first = load<kN>(m + i), second = load<kN>(v + i), update;
    const Values<kN> param = load<kN>(p + i), grad = load<kN>(g + i);
    for (int k = 0; k < kN; ++k) {
      const float gradient = s.grad_scale * grad.at[k];
      first.at[k] = s.beta1 * first.at[k] + s.one_minus_beta1 * gradient;
      second.at[k] = s.beta2 * second.at[k] + s.one_minus_beta2 * gradient * gradient;
      update.at[k] = s.m_scale * first.at[k] / (sqrtf(second.at[k]) * s.root_scale + s.eps) +
                     s.decay * param.at[k];
    }
    store(m + i, first);
    store(v + i, second);
    store(u + i, update);
  }
};

struct Lion {
  static constexpr int kPack = 4;
  LionScalars s;
  float* p;
  const float* g;
  float* m;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> param = load<kN>(p + i), momentum = load<kN>(m + i);
    const Values<kN> grad = load<kN>(g + i);
    for (int k = 0; k < kN; ++k) {
      const float gradient = s.grad_scale * grad.at[k];
      const float mix = s.beta1 * momentum.at[k] + s.one_minus_beta1 * gradient;
      const float step = mix > 0.0f ? s.lr : (mix < 0.0f ? -s.lr : 0.0f);
      param.at[k] = s.shrink * param.at[k] - step;
      momentum.at[k] = s.beta2 * momentum.at[k] + s.one_minus_beta2 * gradient;
    }
    store(p + i, param);
    store(m + i, momentum);
  }
};

template <bool kMomentum>
struct Sgd {
  static constexpr int kPack = 4;
  SgdScalars s;
  float* p;
  const float* g;
  float* buffer;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> param = load<kN>(p + i), b{};
    const Values<kN> grad = load<kN>(g + i);
    // The first buffer is the gradient itself, whatever the memory held before.
    if constexpr (kMomentum)
      if (!s.first) b = load<kN>(buffer + i);
    for (int k = 0; k < kN; ++k) {
      const float gradient = s.grad_scale * grad.at[k] + s.decay * param.at[k];
      b.at[k] = kMomentum && !s.first ? s.momentum * b.at[k] + gradient : gradient;
      const float ahead = gradient + s.momentum * b.at[k];
      param.at[k] -= s.lr * (kMomentum && s.nesterov ? ahead : b.at[k]);
    }
    if constexpr (kMomentum) store(buffer + i, b);
    store(p + i, param);
  }
};

}  // namespace

void adam(const AdamScalars& s, float* p, const float* g, float* m, float* v, int64_t n,
          Stream stream) {
  each(Adam{s, p, g, m, v}, n, 16, stream, p, g, m, v);
}

void lamb(const LambScalars& s, const float* p, const float* g, float* m, float* v, float* u,
          int64_t n, Stream stream) {
  each(Lamb{s, p, g, m, v, u}, n, 16, stream, p, g, m, v, u);
}

void lion(const LionScalars& s, float* p, const float* g, float* m, int64_t n, Stream stream) {
  each(Lion{s, p, g, m}, n, 16, stream, p, g, m);
}

void sgd(const SgdScalars& s, float* p, const float* g, float* buffer, int64_t n, Stream stream) {
  if (buffer)
    each(Sgd<true>{s, p, g, buffer}, n, 16, stream, p, g, buffer);
  else
    each(Sgd<false>{s, p, g, nullptr}, n, 16, stream, p, g);
}

}  // namespace kernels::cuda
