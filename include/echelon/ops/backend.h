#pragma once
// What a device backend in a shared object of its own hands over: its ops, memory and streams.
#include <memory>

#include "echelon/device/allocator.h"
#include "echelon/device/stream.h"
#include "echelon/ops/table.h"

namespace echelon::ops {

struct BackendOptions {
  /// f32 matrix products on tensor cores with 10-bit mantissas; otherwise full f32.
  bool tf32 = false;
};

/// The backend is built from the same sources as the program (`version` says so); it has copies of
/// base, device and tensor of its own, which hold no state.
struct DeviceBackend {
  int version = 0;
  const OpTable* table = nullptr;
  /// Throws Error(environment) that says why when there is no usable device.
  int (*count_devices)() = nullptr;
  /// Memory of device `index`. A buffer goes back when its last owner lets go of it, for the next
  /// work of the rank's compute stream; work on another stream must keep its tensors until done.
  std::shared_ptr<Allocator> (*make_allocator)(int index) = nullptr;
  std::unique_ptr<Stream> (*make_stream)(int index, const BackendOptions& options) = nullptr;
  /// Same bytes into `dst`, in stream order, host or device on either side; host memory that is
  /// read or written has arrived when the call returns.
  void (*copy)(const Tensor& src, Tensor& dst, Stream& stream) = nullptr;
};

inline constexpr int kBackendVersion = 1;
/// `extern "C" const DeviceBackend* echelon_device_backend()` of libechelon_cuda.so.
using BackendEntry = const DeviceBackend* (*)();
inline constexpr const char* kBackendEntry = "echelon_device_backend";

/// The CUDA backend, loaded on the first call from libechelon_cuda.so beside the program or in
/// ../lib/echelon. Throws Error(environment) when it is absent, does not fit or finds no device.
const DeviceBackend& cuda_backend();
/// The same from a given file, and without asking for a device.
const DeviceBackend& load_backend(const char* path);

}  // namespace echelon::ops
