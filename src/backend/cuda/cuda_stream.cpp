#include "cuda_stream.h"

#include "check.h"
#include "flash_plans.h"
#include "products.h"

namespace echelon::backend::cuda {
namespace {

class Recorded final : public Event::State {
 public:
  explicit Recorded(cudaStream_t stream) {
    cudaEvent_t event = nullptr;
    ECH_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    event_.reset(event);
    ECH_CUDA(cudaEventRecord(event, stream));
  }
  void wait() override { ECH_CUDA(cudaEventSynchronize(event_.get())); }
  bool done() override {
    const cudaError_t status = cudaEventQuery(event_.get());
    if (status == cudaErrorNotReady) return false;
    ECH_CUDA(status);
    return true;
  }
  cudaEvent_t native() const { return event_.get(); }

 private:
  Handle<cudaEvent_t, destroy_event> event_;
};

}  // namespace

CudaStream::CudaStream(int index, const ops::BackendOptions& options)
    : index_(index), options_(options) {
  ECH_CUDA(cudaSetDevice(index));
  cudaStream_t stream = nullptr;
  ECH_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  stream_.reset(stream);
  void* memory = nullptr;
  ECH_CUDA(cudaMalloc(&memory, 8));
  device_result_.reset(memory);
  ECH_CUDA(cudaMallocHost(&memory, 8));
  host_result_.reset(memory);
}

CudaStream::~CudaStream() {
  static_cast<void>(cudaSetDevice(index_));
  static_cast<void>(cudaStreamSynchronize(stream_.get()));
}

cudaStream_t CudaStream::native() const {
  ECH_CUDA(cudaSetDevice(index_));
  return stream_.get();
}

void CudaStream::run(std::function<void()> work) {
  synchronize();
  work();
}

Event CudaStream::record() { return Event(std::make_shared<Recorded>(native())); }

void CudaStream::wait(const Event& event) {
  if (const auto* recorded = dynamic_cast<const Recorded*>(event.state().get()))
    ECH_CUDA(cudaStreamWaitEvent(native(), recorded->native(), 0));
  else
    event.wait();
}

void CudaStream::synchronize() { ECH_CUDA(cudaStreamSynchronize(native())); }

void* CudaStream::workspace(size_t bytes) {
  if (bytes > workspace_bytes_) {
    synchronize();
    workspace_.reset();
    workspace_bytes_ = 0;
    void* memory = nullptr;
    ECH_CUDA(cudaMalloc(&memory, bytes));
    workspace_.reset(memory);
    workspace_bytes_ = bytes;
  }
  return workspace_.get();
}

void CudaStream::fetch() {
  ECH_CUDA(cudaMemcpyAsync(host_result_.get(), device_result_.get(), 8, cudaMemcpyDeviceToHost,
                           native()));
  synchronize();
}

Products& CudaStream::products() {
  if (!products_) products_ = std::make_unique<Products>(options_);
  return *products_;
}

FlashPlans& CudaStream::flash_plans() {
  if (!flash_plans_) flash_plans_ = std::make_unique<FlashPlans>();
  return *flash_plans_;
}

CudaStream& on(Stream& stream) {
  ECH_CHECK(stream.device().kind == DeviceKind::cuda, "op on CUDA tensors, stream of {}",
            to_string(stream.device()));
  return static_cast<CudaStream&>(stream);
}

}  // namespace echelon::backend::cuda
