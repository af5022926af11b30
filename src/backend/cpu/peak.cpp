#include "echelon/ops/peak.h"

#include "kernels/cpu/peak.h"

namespace echelon::ops {

double measured_peak_flops(int threads, double seconds) {
  return kernels::cpu::fma_peak_gflops(threads, seconds) * 1e9;
}

}  // namespace echelon::ops
