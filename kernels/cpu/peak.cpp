#include "kernels/cpu/peak.h"

#include <chrono>
#include <cstdint>

#include "kernels/cpu/gemm_simd.h"

namespace kernels::cpu {
namespace {

// Enough independent sums to cover the latency of two pipelines, few enough for 16 registers.
constexpr int kChains = 12;
constexpr int kRounds = 4000;

// Returns the sums so that the work cannot be dropped.
simd::Vec spin(simd::Vec factor, simd::Vec start) {
  simd::Vec sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = start;
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sum[i] = simd::fma(sum[i], factor, start);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = simd::add(sum[0], sum[i]);
  return sum[0];
}

}  // namespace

double fma_peak_gflops([[maybe_unused]] int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  double total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
  {
    const auto start = Clock::now();
    double elapsed = 0;
    int64_t calls = 0;
    simd::Vec state = simd::broadcast(0.5f);
    do {
      state = spin(simd::broadcast(0.5f), state);
      ++calls;
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (elapsed < seconds);
    float kept[simd::kLanes];
    simd::store(kept, state);
    const double flops = 2.0 * static_cast<double>(calls) * kRounds * kChains * simd::kLanes;
    total += kept[0] > -1 ? flops / elapsed * 1e-9 : 0;  // keeps the chains alive
  }
  return total;
}

}  // namespace kernels::cpu
