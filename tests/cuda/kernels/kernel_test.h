#pragma once
// What the tests of CUDA kernels on the CPU share. Launchers run at once here: streams are null.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

#include "cuda_runtime.h"  // the stand-in of tests/support/cuda_on_cpu
#include "echelon/device/dtype.h"
#include "kernels/cuda/stream.h"
#include "tests/support/golden.h"
#include "tests/support/reference_ops.h"

namespace echelon::test {

using Floats = std::vector<float>;
using kernels::cuda::Float;
inline constexpr kernels::cuda::Stream kNoStream = nullptr;

inline Floats constant(int64_t n, float value) { return Floats(static_cast<size_t>(n), value); }

/// First line of a test: everything in it runs with either order of a block's threads.
inline void in_every_order() {
  using cuda_on_cpu::Order;
  const auto order = GENERATE(Order::ascending, Order::descending);
  cuda_on_cpu::set_order(order);
  UNSCOPED_INFO("threads " << (order == Order::ascending ? "ascending" : "descending"));
}

template <class T>
std::vector<T> narrowed(const Floats& values) {
  std::vector<T> result;
  for (const float v : values) result.push_back(T(v));
  return result;
}
template <class T>
Floats widened_floats(const std::vector<T>& values) {
  Floats result;
  for (const T v : values) result.push_back(static_cast<float>(v));
  return result;
}

/// Half a unit in the last place of a storage type, for results rounded to it once.
inline Tolerance rounded_to(Float type, Tolerance f32) {
  const double unit = type == Float::bf16 ? 0x1p-8 : (type == Float::f16 ? 0x1p-11 : 0.0);
  return {f32.relative + unit, f32.absolute + (type == Float::f16 ? 0x1p-25 : 0.0)};
}

}  // namespace echelon::test
