#include "echelon/optim/norm.h"

#include <algorithm>
#include <cmath>

#include "echelon/ops/elementwise.h"

namespace echelon::optim {

SumOverRanks sum_over(std::vector<comm::Communicator*> groups) {
  std::erase_if(groups, [](const comm::Communicator* g) { return !g || g->size() == 1; });
  return [groups = std::move(groups)](std::span<double> values) {
    for (comm::Communicator* group : groups) {
      const auto sum = comm::all_reduce(*group, std::vector<double>(values.begin(), values.end()),
                                        comm::ReduceOp::sum);
      std::copy(sum.begin(), sum.end(), values.begin());
    }
  };
}

double squared_gradient_norm(std::span<const Slice> slices, Stream& stream) {
  double total = 0;
  for (const Slice& s : slices)
    if (s.counted) total += ops::sum_of_squares(s.grad, stream);
  return total;
}

double gradient_norm(std::span<const Slice> slices, const SumOverRanks& sum, Stream& stream) {
  double total = squared_gradient_norm(slices, stream);
  if (sum) sum({&total, 1});
  return std::sqrt(total);
}

double clip_coefficient(double norm, double clip) {
  return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0;
}

bool gradients_finite(std::span<const Slice> slices, Stream& stream) {
  return std::all_of(slices.begin(), slices.end(),
                     [&](const Slice& s) { return ops::all_finite(s.grad, stream); });
}

}  // namespace echelon::optim
