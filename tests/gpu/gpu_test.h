#pragma once
// One device for the tests that need one: host tensors go over, results come back.
#include <catch2/catch.hpp>

#include "echelon/ops/backend.h"
#include "tests/ops/op_test.h"

namespace echelon::test {

/// Why there is no device to test on, or nothing.
std::string no_device();

struct Gpu : OpTest {
  const ops::DeviceBackend& backend = ops::cuda_backend();
  std::shared_ptr<Allocator> memory = backend.make_allocator(0);
  std::unique_ptr<Stream> queue;

  explicit Gpu(bool tf32 = false) : queue(backend.make_stream(0, {.tf32 = tf32})) {}

  Tensor over(const Tensor& host) const {
    Tensor t = Tensor::empty(host.shape(), host.dtype(), *memory);
    backend.copy(host, t, *queue);
    return t;
  }
  Tensor back(const Tensor& device) const {
    Tensor t = Tensor::empty(device.shape(), device.dtype(), *allocator);
    backend.copy(device, t, *queue);
    return t;
  }
  std::vector<float> floats(const Tensor& device) const { return values_of(back(device)); }
  /// `host` rounded to `dtype`, on the device.
  Tensor as(DType dtype, const Tensor& host) const {
    const Tensor wide = over(host);
    Tensor t = Tensor::empty(host.shape(), dtype, *memory);
    backend.table->cast(wide, t, *queue);
    return t;
  }
  /// f32 values of a tensor of any floating type on the device.
  std::vector<float> widened_floats(const Tensor& device) const {
    Tensor t = Tensor::empty(device.shape(), DType::f32, *memory);
    backend.table->cast(device, t, *queue);
    return floats(t);
  }
};

/// Ends the test case where there is no device; the program's exit line counts them.
#define ECH_NEEDS_DEVICE() \
  if (!no_device().empty()) return

}  // namespace echelon::test
