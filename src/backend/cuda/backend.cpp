// The one symbol that the program looks up (echelon/ops/backend.h).
#include "echelon/ops/backend.h"

#include "cuda_allocator.h"
#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

ops::OpTable make_table() {
  ops::OpTable t;
  fill_linear(t);
  fill_attention(t);
  fill_norm(t);
  fill_activation(t);
  fill_embedding(t);
  fill_cross_entropy(t);
  fill_elementwise(t);
  fill_optimizer(t);
  return t;
}

int count_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess) return count;
  static_cast<void>(cudaGetLastError());
  if (status == cudaErrorNoDevice) return 0;
  fail(
      ExitCode::environment, "E1",
      "device: found cuda, wanted a usable driver: {} ({}); nothing was computed; use device: cpu, "
      "or install a driver for CUDA {}.{} or newer",
      cudaGetErrorName(status), cudaGetErrorString(status), CUDART_VERSION / 1000,
      CUDART_VERSION % 1000 / 10);
}

std::unique_ptr<Stream> make_stream(int index, const ops::BackendOptions& options) {
  return std::make_unique<CudaStream>(index, options);
}

void copy_bytes(const Tensor& src, Tensor& dst, Stream& stream) {
  ECH_CHECK(src.elements() == dst.elements() && src.dtype() == dst.dtype(), "copy {} {} to {} {}",
            name_of(src.dtype()), to_string(src.shape()), name_of(dst.dtype()),
            to_string(dst.shape()));
  if (src.bytes() == 0) return;
  CudaStream& s = on(stream);
  ECH_CUDA(cudaMemcpyAsync(dst.raw(), src.raw(), src.bytes(), cudaMemcpyDefault, s.native()));
  const bool host = src.device().kind == DeviceKind::cpu || dst.device().kind == DeviceKind::cpu;
  if (host) s.synchronize();
}

}  // namespace
}  // namespace echelon::backend::cuda

extern "C" __attribute__((visibility("default"))) const echelon::ops::DeviceBackend*
echelon_device_backend() {
  namespace cuda = echelon::backend::cuda;
  static const echelon::ops::OpTable kTable = cuda::make_table();
  static const echelon::ops::DeviceBackend kBackend{
      echelon::ops::kBackendVersion, &kTable,           cuda::count_devices,
      cuda::make_allocator,          cuda::make_stream, cuda::copy_bytes};
  return &kBackend;
}
