#pragma once

namespace kernels::cpu {

/// Fused multiply-adds per second, counted as two operations each, in 1e9: `threads` OpenMP threads
/// run independent chains in registers for about `seconds`.
double fma_peak_gflops(int threads, double seconds);

}  // namespace kernels::cpu
