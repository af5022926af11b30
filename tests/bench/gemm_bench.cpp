// Speed of the linear products at GPT-2 124M's shapes beside the processor's FMA peak.
// bench_gemm [threads] [rounds] [seconds of each peak reading]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>

#include "echelon/ops/linear.h"
#include "echelon/ops/peak.h"
#include "echelon/ops/threads.h"

using namespace echelon;

namespace {

struct Settings {
  int threads = 1, rounds = 9;
  double peak_seconds = 0.004;
};

struct Reading {
  double flops, share;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Each round stands between two peak readings; their higher one is the round's ceiling.
Reading measure(const Settings& s, double flop, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> rates, shares;
  work();
  double before = ops::measured_peak_flops(s.threads, s.peak_seconds);
  for (int round = 0; round < s.rounds; ++round) {
    const auto start = Clock::now();
    work();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double after = ops::measured_peak_flops(s.threads, s.peak_seconds);
    rates.push_back(flop / seconds);
    shares.push_back(flop / seconds / std::max(before, after));
    before = after;
  }
  return {median(rates), median(shares)};
}

void print(const char* form, const Reading& r) {
  fmt::print("  {} {:6.1f} GFLOP/s {:5.1f} %", form, r.flops * 1e-9, r.share * 100);
}

void bench(const Settings& s, int64_t m, int64_t n, int64_t k, Allocator& allocator,
           Stream& stream) {
  Tensor x = Tensor::zeros({m, k}, DType::f32, allocator);
  Tensor w = Tensor::zeros({n, k}, DType::f32, allocator);
  Tensor y = Tensor::zeros({m, n}, DType::f32, allocator);
  Tensor bias = Tensor::zeros({n}, DType::f32, allocator);
  const double flop =
      2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  fmt::print("{:5} {:6} {:5}", m, n, k);
  print("forward", measure(s, flop, [&] { ops::linear_forward(x, w, &bias, y, stream); }));
  print("input", measure(s, flop, [&] { ops::linear_backward_input(y, w, x, stream); }));
  print("weight", measure(s, flop, [&] { ops::linear_backward_weight(y, x, w, &bias, stream); }));
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  if (argc > 1) s.threads = std::atoi(argv[1]);
  if (argc > 2) s.rounds = std::atoi(argv[2]);
  if (argc > 3) s.peak_seconds = std::atof(argv[3]);
  ops::use_threads(s.threads);
  const auto allocator = make_cpu_allocator();
  const auto stream = make_inline_stream();
  fmt::print(
      "{} threads, FMA peak {:.1f} GFLOP/s; medians of {} rounds, % of the peak beside each\n",
      s.threads, ops::measured_peak_flops(s.threads, 0.1) * 1e-9, s.rounds);
  fmt::print("    m      n     k\n");
  for (const int64_t m : {1024, 256}) {
    for (const auto& [n, k] :
         {std::pair{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}, {50304, 768}}) {
      bench(s, m, n, k, *allocator, *stream);
    }
  }
}
