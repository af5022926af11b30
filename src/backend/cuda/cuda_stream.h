#pragma once
// A CUDA stream of one rank, with what its library calls keep between them.
#include <cuda_runtime_api.h>

#include <memory>

#include "echelon/base/handle.h"
#include "echelon/device/stream.h"
#include "echelon/ops/backend.h"

namespace echelon::backend::cuda {

class Products;    // cuBLASLt handle and plans
class FlashPlans;  // cuDNN handle and plans

inline void destroy_stream(cudaStream_t s) { static_cast<void>(cudaStreamDestroy(s)); }
inline void destroy_event(cudaEvent_t e) { static_cast<void>(cudaEventDestroy(e)); }
inline void free_device(void* p) { static_cast<void>(cudaFree(p)); }
inline void free_host(void* p) { static_cast<void>(cudaFreeHost(p)); }

/// Used by one thread at a time. Ops enqueue on native(); `run` is for host work, which starts when
/// the device has finished what was enqueued before.
class CudaStream final : public Stream {
 public:
  CudaStream(int index, const ops::BackendOptions& options);
  ~CudaStream() override;
  Device device() const override { return {DeviceKind::cuda, index_}; }
  void run(std::function<void()> work) override;
  Event record() override;
  void wait(const Event& event) override;
  void synchronize() override;

  /// Makes the device current for the calling thread.
  cudaStream_t native() const;
  /// Scratch of at least `bytes` until the next call; contents undefined.
  void* workspace(size_t bytes);
  /// Eight bytes on the device and their copy on the host, for ops that return a number.
  void* result() { return device_result_.get(); }
  template <class T>
  T fetch_result() {
    static_assert(sizeof(T) <= 8);
    fetch();
    return *static_cast<const T*>(host_result_.get());
  }
  const ops::BackendOptions& options() const { return options_; }
  Products& products();
  FlashPlans& flash_plans();

 private:
  void fetch();

  int index_;
  ops::BackendOptions options_;
  Handle<cudaStream_t, destroy_stream> stream_;
  Handle<void*, free_device> device_result_;
  Handle<void*, free_host> host_result_;
  Handle<void*, free_device> workspace_;
  size_t workspace_bytes_ = 0;
  std::unique_ptr<Products> products_;
  std::unique_ptr<FlashPlans> flash_plans_;
};

/// The stream an op was given. Throws Error(internal) for a stream of another device.
CudaStream& on(Stream& stream);

}  // namespace echelon::backend::cuda
