#include "echelon/ops/cross_entropy.h"

#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

constexpr int32_t kIgnored = ops::kIgnoreTarget;

struct CrossEntropy : OpTest {
  Tensor logits, targets, max, sum, target_logit;
  int64_t valid;
  CrossEntropy(int64_t rows, int64_t columns, int64_t valid_columns, std::vector<int32_t> ids)
      : logits(random({rows, columns}, 1, 8.0)),
        targets(ints(ids)),
        max(constant({rows}, NAN)),
        sum(constant({rows}, NAN)),
        target_logit(constant({rows}, NAN)),
        valid(valid_columns) {}
  double loss() {
    ops::cross_entropy_max(logits, valid, max, *stream);
    ops::cross_entropy_sums(logits, valid, max, targets, 0, sum, target_logit, *stream);
    return ops::cross_entropy_loss(max, sum, target_logit, targets, *stream);
  }
};

/// Loss per row.
Doubles losses(const Doubles& logits, const Tensor& targets, size_t columns, size_t valid) {
  Doubles result;
  for (size_t r = 0; r < static_cast<size_t>(targets.elements()); ++r) {
    double sum = 0.0, most = -1e300;
    for (size_t c = 0; c < valid; ++c) most = std::max(most, logits[r * columns + c]);
    for (size_t c = 0; c < valid; ++c) sum += std::exp(logits[r * columns + c] - most);
    const int32_t target = targets.data<int32_t>()[r];
    result.push_back(target == kIgnored ? 0.0
                                        : std::log(sum) + most -
                                              logits[r * columns + static_cast<size_t>(target)]);
  }
  return result;
}

}  // namespace

TEST_CASE("cross-entropy and its gradient agree with float64", "[ops]") {
  const int64_t columns = GENERATE(1, 3, 17, 64), padding = GENERATE(0, 5);
  CrossEntropy t(
      5, columns + padding, columns,
      {0, kIgnored, static_cast<int32_t>(columns - 1), 0, static_cast<int32_t>(columns / 2)});
  for (int64_t r = 0; r < 5; ++r)  // what stands in the padding must not matter
    for (int64_t c = columns; c < columns + padding; ++c)
      t.logits.data<float>()[r * (columns + padding) + c] = 1e30f;
  const Doubles x = doubles(t.logits);
  const auto f = [&](const Doubles& v) {
    return losses(v, t.targets, static_cast<size_t>(columns + padding),
                  static_cast<size_t>(columns));
  };
  double wanted = 0.0;
  for (const double l : f(x)) wanted += l;
  CHECK(t.loss() == Approx(wanted).epsilon(1e-6).margin(1e-6));
  ops::cross_entropy_backward(t.logits, columns, t.max, t.sum, t.targets, 0, 0.25f, *t.stream);
  CHECK(worst(values_of(t.logits), finite_difference(f, x, Doubles(5, 0.25)),
              tolerance::kCrossEntropy) <= 1.0);
}

TEST_CASE("a vocabulary split over ranks gives the loss and gradient of the whole", "[ops]") {
  constexpr int64_t kRows = 9, kColumns = 40, kCut = 23;
  std::vector<int32_t> ids = test::tokens(kRows, kColumns, 3);
  ids[4] = kIgnored;
  CrossEntropy whole(kRows, kColumns, kColumns, ids);
  const double wanted = whole.loss();
  std::vector<Tensor> part;
  std::vector<std::vector<float>> maxes, sums, hits;
  const auto columns_between = [&](int64_t from, int64_t to) {
    std::vector<float> values;
    for (int64_t r = 0; r < kRows; ++r)
      values.insert(values.end(), whole.logits.data<float>() + r * kColumns + from,
                    whole.logits.data<float>() + r * kColumns + to);
    return whole.of(values, {kRows, to - from});
  };
  const int64_t bounds[] = {0, kCut, kColumns};
  for (int p = 0; p < 2; ++p) {
    part.push_back(columns_between(bounds[p], bounds[p + 1]));
    Tensor max = whole.constant({kRows}, NAN);
    ops::cross_entropy_max(part.back(), part.back().size(1), max, *whole.stream);
    maxes.push_back(values_of(max));
  }
  for (size_t r = 0; r < kRows; ++r) maxes[0][r] = std::max(maxes[0][r], maxes[1][r]);
  const Tensor max = whole.of(maxes[0], {kRows});
  for (size_t p = 0; p < 2; ++p) {
    Tensor sum = whole.constant({kRows}, NAN), hit = whole.constant({kRows}, NAN);
    ops::cross_entropy_sums(part[p], part[p].size(1), max, whole.targets, bounds[p], sum, hit,
                            *whole.stream);
    sums.push_back(values_of(sum));
    hits.push_back(values_of(hit));
  }
  for (size_t r = 0; r < kRows; ++r) sums[0][r] += sums[1][r], hits[0][r] += hits[1][r];
  const Tensor sum = whole.of(sums[0], {kRows}), hit = whole.of(hits[0], {kRows});
  CHECK(ops::cross_entropy_loss(max, sum, hit, whole.targets, *whole.stream) ==
        Approx(wanted).epsilon(1e-6));
  ops::cross_entropy_backward(part[1], part[1].size(1), max, sum, whole.targets, kCut, 0.5f,
                              *whole.stream);
  ops::cross_entropy_backward(whole.logits, kColumns, whole.max, whole.sum, whole.targets, 0, 0.5f,
                              *whole.stream);
  CHECK(worst(values_of(part[1]), doubles(columns_between(kCut, kColumns)),
              tolerance::kCrossEntropy) <= 1.0);
}

TEST_CASE("the exponential agrees with float64 over its whole range", "[ops]") {
  // One column and a maximum of zero: the sum is the exponential itself.
  std::vector<float> x;
  for (int i = -8700; i <= 8870; ++i) x.push_back(static_cast<float>(i) * 0.01f);
  for (float v = 1e-20f; v < 80.0f; v *= 1.9f) x.insert(x.end(), {v, -v});
  const auto n = static_cast<int64_t>(x.size());
  OpTest t;
  Tensor sum = t.constant({n}, NAN), hit = t.constant({n}, NAN);
  ops::cross_entropy_sums(t.of(x, {n, 1}), 1, t.constant({n}, 0.0f),
                          t.ints(std::vector<int32_t>(x.size(), 0)), 0, sum, hit, *t.stream);
  Doubles wanted;
  for (const float v : x) wanted.push_back(std::exp(static_cast<double>(v)));
  CHECK(worst(values_of(sum), wanted, tolerance::kElementary) <= 1.0);
}

TEST_CASE("the exponential's ends are zero, infinity and NaN", "[ops]") {
  OpTest t;
  const std::vector<float> x{-INFINITY, -1e30f, -200.0f, 0.0f, 89.0f, INFINITY, NAN};
  Tensor sum = t.constant({7}, 5.0f), hit = t.constant({7}, 5.0f);
  ops::cross_entropy_sums(t.of(x, {7, 1}), 1, t.constant({7}, 0.0f),
                          t.ints(std::vector<int32_t>(7, 0)), 0, sum, hit, *t.stream);
  const auto y = values_of(sum);
  for (size_t i = 0; i < 3; ++i) CHECK(std::abs(y[i]) < 1e-37f);
  CHECK(y[3] == 1.0f);
  CHECK(y[4] > 3e38f);
  CHECK(std::isinf(y[5]));
  CHECK(std::isnan(y[6]));
}

TEST_CASE("cross-entropy of a wide row agrees with float64 and not with the thread count",
          "[ops]") {
  constexpr int64_t kColumns = 50304;
  std::vector<std::vector<float>> gradients;
  for (const int threads : {1, 3}) {
    const Threads scope(threads);
    CrossEntropy t(3, kColumns, 50257, {50256, 3, 17});
    double wanted = 0.0;
    for (const double l : losses(doubles(t.logits), t.targets, kColumns, 50257)) wanted += l;
    CHECK(t.loss() == Approx(wanted).epsilon(1e-6));
    ops::cross_entropy_backward(t.logits, 50257, t.max, t.sum, t.targets, 0, 1.0f, *t.stream);
    gradients.push_back(values_of(t.logits));
  }
  CHECK(gradients[0] == gradients[1]);
}
