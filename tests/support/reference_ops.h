#pragma once
// Ops in float64, written as their equations and nothing else.
#include <cstdint>
#include <functional>
#include <vector>

#include "tests/support/tolerance.h"

namespace echelon::test {

using Doubles = std::vector<double>;
Doubles widened(const std::vector<float>& values);

/// Largest |got - wanted| / (absolute + relative*|wanted|); infinity when sizes differ or NaN
/// differs.
double worst(const std::vector<float>& got, const Doubles& wanted, Tolerance tolerance);

/// d(sum of weight*f(x))/dx by central differences.
Doubles finite_difference(const std::function<Doubles(const Doubles&)>& f, const Doubles& x,
                          const Doubles& weight);

Doubles layer_norm(const Doubles& x, const Doubles& gain, const Doubles& bias, double eps);
Doubles rms_norm(const Doubles& x, const Doubles& gain, double eps);

double gelu(double x);
double gelu_tanh(double x);
double silu(double x);
Doubles swiglu(const Doubles& x, int64_t columns);

/// Attention of [batch, tokens, heads, head_size] arrays, by the full score matrix.
struct Attention {
  int64_t batch, queries, keys, heads, kv_heads, head_size;
  double scale;
  bool causal = true;
  int64_t query_start = 0, key_start = 0;
  /// Factor of the probability of (sequence, head, query, key); empty: 1.
  std::function<double(int64_t, int64_t, int64_t, int64_t)> mask;

  struct Output {
    Doubles out, lse;
  };
  Output forward(const Doubles& q, const Doubles& k, const Doubles& v) const;
  struct Gradients {
    Doubles dq, dk, dv;
  };
  Gradients backward(const Doubles& q, const Doubles& k, const Doubles& v,
                     const Doubles& dout) const;

 private:
  /// Probabilities of one row before dropout; returns lse.
  double row(const Doubles& q, const Doubles& k, int64_t b, int64_t h, int64_t i, Doubles& p) const;
  size_t query_at(int64_t b, int64_t i, int64_t h) const;
  size_t key_at(int64_t b, int64_t j, int64_t h) const;
};

}  // namespace echelon::test
