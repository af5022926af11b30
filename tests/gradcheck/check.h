#pragma once
// Central differences against backward, for anything with a layer's interface.
#include <functional>
#include <vector>

#include "echelon/nn/layer.h"

namespace echelon::nn::test {

/// A tensor that may be nudged, and its gradient from backward.
struct Probe {
  std::string name;
  Tensor value;
  Tensor gradient;
};

/// The largest mismatch over probes and random directions between (f(v + h u) - f(v - h u)) / 2h
/// (two step sizes, extrapolated) and gradient . u, relative to the gradient's length; at least
/// `floor` is taken for that length.
double worst_mismatch(const std::vector<Probe>& probes, const std::function<double()>& function,
                      double step, double floor);

/// Sum of weight * y in double.
double weighted_sum(const Tensor& y, const Tensor& weights);

}  // namespace echelon::nn::test
