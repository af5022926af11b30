#include "tests/support/reference_ops.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace echelon::test {

Doubles widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

double worst(const std::vector<float>& got, const Doubles& wanted, Tolerance tolerance) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (got.size() != wanted.size()) return kInfinity;
  double most = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double a = static_cast<double>(got[i]), b = wanted[i];
    if (a == b) continue;
    const double error = std::abs(a - b) / (tolerance.absolute + tolerance.relative * std::abs(b));
    if (!(error <= most)) most = std::isnan(error) ? kInfinity : error;
  }
  return most;
}

Doubles finite_difference(const std::function<Doubles(const Doubles&)>& f, const Doubles& x,
                          const Doubles& weight) {
  constexpr double kStep = 1e-5;
  const auto objective = [&](const Doubles& at) {
    const Doubles y = f(at);
    double sum = 0.0;
    for (size_t i = 0; i < y.size(); ++i) sum += weight[i] * y[i];
    return sum;
  };
  Doubles gradient(x.size()), at = x;
  for (size_t i = 0; i < x.size(); ++i) {
    at[i] = x[i] + kStep;
    const double high = objective(at);
    at[i] = x[i] - kStep;
    gradient[i] = (high - objective(at)) / (2.0 * kStep);
    at[i] = x[i];
  }
  return gradient;
}

Doubles layer_norm(const Doubles& x, const Doubles& gain, const Doubles& bias, double eps) {
  const size_t c = gain.size();
  Doubles y(x.size());
  for (size_t r = 0; r < x.size(); r += c) {
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < c; ++i) mean += x[r + i] / static_cast<double>(c);
    for (size_t i = 0; i < c; ++i)
      variance += (x[r + i] - mean) * (x[r + i] - mean) / static_cast<double>(c);
    for (size_t i = 0; i < c; ++i)
      y[r + i] = (x[r + i] - mean) / std::sqrt(variance + eps) * gain[i] + bias[i];
  }
  return y;
}

Doubles rms_norm(const Doubles& x, const Doubles& gain, double eps) {
  const size_t c = gain.size();
  Doubles y(x.size());
  for (size_t r = 0; r < x.size(); r += c) {
    double square = 0.0;
    for (size_t i = 0; i < c; ++i) square += x[r + i] * x[r + i] / static_cast<double>(c);
    for (size_t i = 0; i < c; ++i) y[r + i] = x[r + i] / std::sqrt(square + eps) * gain[i];
  }
  return y;
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }
double gelu_tanh(double x) {
  return 0.5 * x *
         (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
double silu(double x) { return x / (1.0 + std::exp(-x)); }

Doubles swiglu(const Doubles& x, int64_t columns) {
  const auto c = static_cast<size_t>(columns);
  Doubles y(x.size() / 2);
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = silu(x[i / c * 2 * c + i % c]) * x[i / c * 2 * c + c + i % c];
  return y;
}

size_t Attention::query_at(int64_t b, int64_t i, int64_t h) const {
  return static_cast<size_t>(((b * queries + i) * heads + h) * head_size);
}
size_t Attention::key_at(int64_t b, int64_t j, int64_t h) const {
  return static_cast<size_t>(((b * keys + j) * kv_heads + h / (heads / kv_heads)) * head_size);
}

double Attention::row(const Doubles& q, const Doubles& k, int64_t b, int64_t h, int64_t i,
                      Doubles& p) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  p.assign(static_cast<size_t>(keys), -kInfinity);
  double most = -kInfinity;
  for (int64_t j = 0; j < keys; ++j) {
    if (causal && query_start + i < key_start + j) continue;
    double score = 0.0;
    for (int64_t d = 0; d < head_size; ++d)
      score += q[query_at(b, i, h) + static_cast<size_t>(d)] *
               k[key_at(b, j, h) + static_cast<size_t>(d)];
    p[static_cast<size_t>(j)] = scale * score;
    most = std::max(most, scale * score);
  }
  double sum = 0.0;
  for (double& s : p) sum += most == -kInfinity ? 0.0 : std::exp(s - most);
  for (double& s : p) s = most == -kInfinity ? 0.0 : std::exp(s - most) / sum;
  return most + std::log(sum);
}

Attention::Output Attention::forward(const Doubles& q, const Doubles& k, const Doubles& v) const {
  Output result{Doubles(q.size(), 0.0), Doubles(static_cast<size_t>(batch * heads * queries))};
  Doubles p;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < queries; ++i) {
        result.lse[static_cast<size_t>((b * heads + h) * queries + i)] = row(q, k, b, h, i, p);
        for (int64_t j = 0; j < keys; ++j)
          for (int64_t d = 0; d < head_size; ++d)
            result.out[query_at(b, i, h) + static_cast<size_t>(d)] +=
                p[static_cast<size_t>(j)] * (mask ? mask(b, h, i, j) : 1.0) *
                v[key_at(b, j, h) + static_cast<size_t>(d)];
      }
  return result;
}

Attention::Gradients Attention::backward(const Doubles& q, const Doubles& k, const Doubles& v,
                                         const Doubles& dout) const {
  Gradients g{Doubles(q.size(), 0.0), Doubles(k.size(), 0.0), Doubles(v.size(), 0.0)};
  Doubles p, dp(static_cast<size_t>(keys));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < queries; ++i) {
        row(q, k, b, h, i, p);
        double mean = 0.0;
        for (int64_t j = 0; j < keys; ++j) {
          const auto at = static_cast<size_t>(j);
          const double keep = mask ? mask(b, h, i, j) : 1.0;
          double dot = 0.0;
          for (size_t d = 0; d < static_cast<size_t>(head_size); ++d) {
            dot += dout[query_at(b, i, h) + d] * v[key_at(b, j, h) + d];
            g.dv[key_at(b, j, h) + d] += p[at] * keep * dout[query_at(b, i, h) + d];
          }
          dp[at] = dot * keep;
          mean += p[at] * dp[at];
        }
        for (int64_t j = 0; j < keys; ++j) {
          const double ds = p[static_cast<size_t>(j)] * (dp[static_cast<size_t>(j)] - mean) * scale;
          for (size_t d = 0; d < static_cast<size_t>(head_size); ++d) {
            g.dq[query_at(b, i, h) + d] += ds * k[key_at(b, j, h) + d];
            g.dk[key_at(b, j, h) + d] += ds * q[query_at(b, i, h) + d];
          }
        }
      }
  return g;
}

}  // namespace echelon::test
