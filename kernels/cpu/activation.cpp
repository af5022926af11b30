#include "kernels/cpu/activation.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

constexpr float kTanhFactor = 0.79788456080286536f;  // sqrt(2/pi)
constexpr float kTanhCubic = 0.044715f;

struct Gelu {
  static Lanes value(Lanes x) { return x * normal_lanes(x).cdf; }
  static Lanes slope(Lanes x) {
    const Normal n = normal_lanes(x);
    return n.cdf + x * 0.39894228040143268f * n.bell;
  }
};

/// (1 + tanh(z))/2 is the logistic function of 2z, which keeps its relative accuracy in the tail.
struct GeluTanh {
  /// exp(-2z); bounded, so that e/(1+e) stays a number.
  static Lanes falling(Lanes x) {
    const Lanes z = kTanhFactor * (x + kTanhCubic * x * x * x);
    return minimum(broadcast(1e30f), exp_lanes(-2.0f * z));
  }
  static Lanes value(Lanes x) { return x / (1.0f + falling(x)); }
  static Lanes slope(Lanes x) {
    const Lanes e = falling(x), s = 1.0f / (1.0f + e);
    const Lanes inner = 2.0f * kTanhFactor * (1.0f + 3.0f * kTanhCubic * x * x);
    return s + x * s * (e * s) * inner;
  }
};

struct Relu {
  static Lanes value(Lanes x) { return maximum(Lanes{}, x); }
  static Lanes slope(Lanes x) { return select(x > 0.0f, broadcast(1.0f), Lanes{}); }
};

template <class F>
void forward_as(const float* x, float* y, int64_t n) {
  parallel_ranges(n, kGrain / 4, [=](int64_t from, int64_t to) {
    for_lanes(from, to, [=](int64_t i, int64_t count) {
      store_up_to(y + i, F::value(load_up_to(x + i, count)), count);
    });
  });
}

template <class F>
void backward_as(const float* dy, const float* x, float* dx, int64_t n) {
  parallel_ranges(n, kGrain / 4, [=](int64_t from, int64_t to) {
    for_lanes(from, to, [=](int64_t i, int64_t count) {
      const Lanes slope = F::slope(load_up_to(x + i, count));
      store_up_to(dx + i, load_up_to(dy + i, count) * slope, count);
    });
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
      for_lanes(0, columns, [=](int64_t c, int64_t count) {
        const Lanes g = load_up_to(gate + c, count), u = load_up_to(up + c, count);
        store_up_to(yr + c, g / (1.0f + exp_lanes(-g)) * u, count);
      });
    }
  });
}

void swiglu_backward(const float* dy, const float* x, float* dx, int64_t rows, int64_t columns) {
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float *gate = x + r * 2 * columns, *up = gate + columns, *dyr = dy + r * columns;
      float *dgate = dx + r * 2 * columns, *dup = dgate + columns;
      for_lanes(0, columns, [=](int64_t c, int64_t count) {
        const Lanes g = load_up_to(gate + c, count), u = load_up_to(up + c, count);
        const Lanes d = load_up_to(dyr + c, count);
        const Lanes sigmoid = 1.0f / (1.0f + exp_lanes(-g));
        store_up_to(dgate + c, d * u * sigmoid * (1.0f + g * (1.0f - sigmoid)), count);
        store_up_to(dup + c, d * g * sigmoid, count);
      });
    }
  });
}

}  // namespace kernels::cpu
