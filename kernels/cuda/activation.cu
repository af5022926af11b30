#include "kernels/cuda/activation.h"

#include "kernels/cuda/each.cuh"

namespace kernels::cuda {
namespace {

constexpr float kTanhFactor = 0.79788456080286536f;  // sqrt(2/pi)
constexpr float kTanhCubic = 0.044715f;

struct Gelu {
  __device__ static float cdf(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
  __device__ static float value(float x) { return x * cdf(x); }
  __device__ static float slope(float x) {
    return cdf(x) + x * 0.39894228040143268f * expf(-0.5f * x * x);
  }
};

/// (1 + tanh(z))/2 is the logistic function of 2z, which keeps its relative accuracy in the tail.
struct GeluTanh {
  __device__ static float falling(float x) {
    const float e = expf(-2.0f * kTanhFactor * (x + kTanhCubic * x * x * x));
    return e < 1e30f ? e : 1e30f;
  }
  __device__ static float value(float x) { return x / (1.0f + falling(x)); }
  __device__ static float slope(float x) {
    const float e = falling(x), s = 1.0f / (1.0f + e);
    return s + x * s * (e * s) * 2.0f * kTanhFactor * (1.0f + 3.0f * kTanhCubic * x * x);
  }
};

struct Relu {
  __device__ static float value(float x) { return x > 0.0f ? x : 0.0f; }
  __device__ static float slope(float x) { return x > 0.0f ? 1.0f : 0.0f; }
};

template <class Function, class T>
struct Forward {
  static constexpr int kPack = 16 / sizeof(T);
  const T* x;
  T* y;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> v = load<kN>(x + i);
    for (int k = 0; k < kN; ++k) v.at[k] = Function::value(v.at[k]);
    store(y + i, v);
  }
};

template <class Function, class T>
struct Backward {
  static constexpr int kPack = 16 / sizeof(T);
  const T *dy, *x;
  T* dx;
  template <int kN>
  __device__ void run(int64_t i) const {
    Values<kN> d = load<kN>(dy + i);
    const Values<kN> v = load<kN>(x + i);
    for (int k = 0; k < kN; ++k) d.at[k] *= Function::slope(v.at[k]);
    store(dx + i, d);
  }
};

template <class T>
struct SwigluForward {
  static constexpr int kPack = 4;
  const T* x;
  T* y;
  int64_t columns;
  template <int kN>
  __device__ void run(int64_t i) const {
    const T* const gate = x + i / columns * 2 * columns + i % columns;
    const Values<kN> g = load<kN>(gate);
    Values<kN> u = load<kN>(gate + columns);
    for (int k = 0; k < kN; ++k) u.at[k] *= g.at[k] / (1.0f + expf(-g.at[k]));
    store(y + i, u);
  }
};

template <class T>
struct SwigluBackward {
  static constexpr int kPack = 4;
  const T *dy, *x;
  T* dx;
  int64_t columns;
  template <int kN>
  __device__ void run(int64_t i) const {
    const int64_t at = i / columns * 2 * columns + i % columns;
    Values<kN> g = load<kN>(x + at), u = load<kN>(x + at + columns);
    const Values<kN> d = load<kN>(dy + i);
    for (int k = 0; k < kN; ++k) {
      const float gate = g.at[k], sigmoid = 1.0f / (1.0f + expf(-gate));
      g.at[k] = d.at[k] * u.at[k] * sigmoid * (1.0f + gate * (1.0f - sigmoid));
      u.at[k] = d.at[k] * gate * sigmoid;
    }
    store(dx + at, g);
    store(dx + at + columns, u);
  }
};

template <class Body>
void with_function(Act kind, const Body& body) {
  switch (kind) {
    case Act::gelu: return body(Gelu{});
    case Act::gelu_tanh: return body(GeluTanh{});
    case Act::relu: return body(Relu{});
  }
}

}  // namespace

void activation_forward(Act kind, Float type, const void* x, void* y, int64_t n, Stream stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    with_function(kind, [&](auto function) {
      each(Forward<decltype(function), T>{as<T>(x), as<T>(y)}, n, 16, stream, as<T>(x), as<T>(y));
    });
  });
}

void activation_backward(Act kind, Float type, const void* dy, const void* x, void* dx, int64_t n,
                         Stream stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    with_function(kind, [&](auto function) {
      const Backward<decltype(function), T> f{as<T>(dy), as<T>(x), as<T>(dx)};
      each(f, n, 16, stream, f.dy, f.x, f.dx);
    });
  });
}

void swiglu_forward(Float type, const void* x, void* y, int64_t rows, int64_t columns,
                    Stream stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    const SwigluForward<T> f{as<T>(x), as<T>(y), columns};
    each(f, rows * columns, columns, stream, f.x, f.y);
  });
}

void swiglu_backward(Float type, const void* dy, const void* x, void* dx, int64_t rows,
                     int64_t columns, Stream stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    const SwigluBackward<T> f{as<T>(dy), as<T>(x), as<T>(dx), columns};
    each(f, rows * columns, columns, stream, f.dy, f.x, f.dx);
  });
}

}  // namespace kernels::cuda
