#pragma once

namespace echelon::ops {

/// f32 fused multiply-adds per second of this processor, two operations each: `threads` threads on
/// registers alone for about `seconds`. The ceiling that the CPU's matrix products are judged by.
double measured_peak_flops(int threads, double seconds);

}  // namespace echelon::ops
