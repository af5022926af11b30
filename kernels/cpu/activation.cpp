#include "kernels/cpu/activation.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

constexpr float kTanhFactor = 0.79788456080286536f;  // sqrt(2/pi)
constexpr float kTanhCubic = 0.044715f;

struct Gelu {
  static float value(float x) { return x * normal(x).cdf; }
  static float slope(float x) {
    const Normal n = normal(x);
    return n.cdf + x * 0.39894228040143268f * n.bell;
  }
};

/// (1 + tanh(z))/2 is the logistic function of 2z, which keeps its relative accuracy in the tail.
struct GeluTanh {
  /// exp(-2z); bounded, so that e/(1+e) stays a number.
  static float falling(float x) {
    const float e = exp_f32(-2.0f * kTanhFactor * (x + kTanhCubic * x * x * x));
    return e < 1e30f ? e : 1e30f;
  }
  static float value(float x) { return x / (1.0f + falling(x)); }
  static float slope(float x) {
    const float e = falling(x), s = 1.0f / (1.0f + e);
    const float inner = 2.0f * kTanhFactor * (1.0f + 3.0f * kTanhCubic * x * x);
    return s + x * s * (e * s) * inner;
  }
};

struct Relu {
  static float value(float x) { return x > 0.0f ? x : 0.0f; }
  static float slope(float x) { return x > 0.0f ? 1.0f : 0.0f; }
};

template <class F>
void forward_as(const float* x, float* y, int64_t n) {
  parallel_ranges(n, kGrain / 4, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) y[i] = F::value(x[i]);
  });
}

template <class F>
void backward_as(const float* dy, const float* x, float* dx, int64_t n) {
  parallel_ranges(n, kGrain / 4, [=](int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) dx[i] = dy[i] * F::slope(x[i]);
  });
}

int64_t rows_per_thread(int64_t columns) { return 1 + (kGrain / 4) / (columns + 1); }

}  // namespace

void activation_forward(Act kind, const float* x, float* y, int64_t n) {
  switch (kind) {
    case Act::gelu: return forward_as<Gelu>(x, y, n);
    case Act::gelu_tanh: return forward_as<GeluTanh>(x, y, n);
    case Act::relu: return forward_as<Relu>(x, y, n);
  }
}

void activation_backward(Act kind, const float* dy, const float* x, float* dx, int64_t n) {
  switch (kind) {
    case Act::gelu: return backward_as<Gelu>(dy, x, dx, n);
    case Act::gelu_tanh: return backward_as<GeluTanh>(dy, x, dx, n);
    case Act::relu: return backward_as<Relu>(dy, x, dx, n);
  }
}

void swiglu_forward(const float* x, float* y, int64_t rows, int64_t columns) {
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float *gate = x + r * 2 * columns, *up = gate + columns;
      float* yr = y + r * columns;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) yr[c] = gate[c] / (1.0f + exp_f32(-gate[c])) * up[c];
    }
  });
}

void swiglu_backward(const float* dy, const float* x, float* dx, int64_t rows, int64_t columns) {
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float *gate = x + r * 2 * columns, *up = gate + columns, *dyr = dy + r * columns;
      float *dgate = dx + r * 2 * columns, *dup = dgate + columns;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        const float g = gate[c], u = up[c], d = dyr[c];
        const float sigmoid = 1.0f / (1.0f + exp_f32(-g));
        dgate[c] = d * u * sigmoid * (1.0f + g * (1.0f - sigmoid));
        dup[c] = d * g * sigmoid;
      }
    }
  });
}

}  // namespace kernels::cpu
