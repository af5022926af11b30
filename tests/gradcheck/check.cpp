#include "tests/gradcheck/check.h"

#include <algorithm>
#include <cmath>

#include "echelon/base/philox.h"

namespace echelon::nn::test {

namespace {

std::vector<double> direction_of(const Probe& p, int number) {
  const auto n = static_cast<size_t>(p.value.elements());
  std::vector<double> u(n);
  const Philox rng{9, make_stream(Draw::test, 0, 0, static_cast<uint64_t>(number))};
  double length = 0;
  for (size_t i = 0; i < n; ++i) {
    // direction 0 is the gradient itself
    u[i] = number == 0 ? static_cast<double>(p.gradient.data<float>()[i]) : rng.normal(i);
    length += u[i] * u[i];
  }
  length = std::sqrt(std::max(length, 1e-30));
  for (double& x : u) x /= length;
  return u;
}

double slope(const Probe& p, const std::vector<double>& u, const std::function<double()>& function,
             double step) {
  const auto values = p.value.span<float>();
  const std::vector<float> saved(values.begin(), values.end());
  const auto at = [&](double h) {
    for (size_t i = 0; i < u.size(); ++i) values[i] = static_cast<float>(saved[i] + h * u[i]);
    return function();
  };
  const double near = (at(step) - at(-step)) / (2 * step);
  const double far = (at(2 * step) - at(-2 * step)) / (4 * step);
  std::copy(saved.begin(), saved.end(), values.begin());
  return (4 * near - far) / 3;
}

}  // namespace

double worst_mismatch(const std::vector<Probe>& probes, const std::function<double()>& function,
                      double step, double floor) {
  double worst = 0;
  for (const Probe& p : probes) {
    double squares = 0;
    for (const float g : p.gradient.span<float>()) squares += static_cast<double>(g) * g;
    for (int number = 0; number < 3; ++number) {
      const auto u = direction_of(p, number);
      double predicted = 0;
      for (size_t i = 0; i < u.size(); ++i)
        predicted += u[i] * static_cast<double>(p.gradient.data<float>()[i]);
      const double measured = slope(p, u, function, step);
      const double mismatch = std::abs(measured - predicted) / std::max(std::sqrt(squares), floor);
      worst = std::isnan(mismatch) ? INFINITY : std::max(worst, mismatch);
    }
  }
  return worst;
}

double weighted_sum(const Tensor& y, const Tensor& weights) {
  double sum = 0;
  for (int64_t i = 0; i < y.elements(); ++i)
    sum += static_cast<double>(y.data<float>()[i]) * weights.data<float>()[i];
  return sum;
}

}  // namespace echelon::nn::test
