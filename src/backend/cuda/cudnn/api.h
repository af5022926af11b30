#pragma once
// cuDNN 9 through its C graph API, loaded when it is first asked for: a program without it works.
#include <cudnn.h>

#include <string>
#include <utility>
#include <vector>

#include "echelon/base/error.h"

namespace echelon::backend::cuda {

struct CudnnApi {
  decltype(&::cudnnCreate) create;
  decltype(&::cudnnDestroy) destroy;
  decltype(&::cudnnSetStream) set_stream;
  decltype(&::cudnnGetVersion) version;
  decltype(&::cudnnGetErrorString) error_string;
  decltype(&::cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&::cudnnBackendSetAttribute) set_attribute;
  decltype(&::cudnnBackendGetAttribute) get_attribute;
  decltype(&::cudnnBackendFinalize) finalize;
  decltype(&::cudnnBackendExecute) execute;
};

/// Null where libcudnn.so.9 is absent or lacks a function.
const CudnnApi* cudnn_api();

[[noreturn]] void cudnn_failed(cudnnStatus_t status, const char* expression, const char* file,
                               int line);

#define ECH_CUDNN(expression)                                                              \
  do {                                                                                     \
    if (const cudnnStatus_t ech_status = (expression); ech_status != CUDNN_STATUS_SUCCESS) \
        [[unlikely]]                                                                       \
      ::echelon::backend::cuda::cudnn_failed(ech_status, #expression, __FILE__, __LINE__); \
  } while (false)

/// Sole owner of a backend descriptor. Only where cudnn_api() is there.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t kind) {
    ECH_CUDNN(cudnn_api()->create_descriptor(kind, &descriptor_));
  }
  ~Descriptor() {
    if (descriptor_) static_cast<void>(cudnn_api()->destroy_descriptor(descriptor_));
  }
  Descriptor(Descriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  cudnnBackendDescriptor_t get() const { return descriptor_; }
  Descriptor& array(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    int64_t count, const void* values) {
    ECH_CUDNN(cudnn_api()->set_attribute(descriptor_, name, type, count, values));
    return *this;
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const T& value) {
    return array(name, type, 1, &value);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.descriptor_);
  }
  Descriptor& finalize() {
    ECH_CUDNN(cudnn_api()->finalize(descriptor_));
    return *this;
  }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace echelon::backend::cuda
