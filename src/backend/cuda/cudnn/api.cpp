#include "api.h"

#include <dlfcn.h>

#include <optional>

namespace echelon::backend::cuda {
namespace {

std::optional<CudnnApi> load() {
  void* const library = ::dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
  if (!library) return std::nullopt;
  bool complete = true;
  const auto find = [&]<class F>(F& function, const char* name) {
    function = reinterpret_cast<F>(::dlsym(library, name));
    complete = complete && function;
  };
  CudnnApi api{};
  find(api.create, "cudnnCreate");
  find(api.destroy, "cudnnDestroy");
  find(api.set_stream, "cudnnSetStream");
  find(api.version, "cudnnGetVersion");
  find(api.error_string, "cudnnGetErrorString");
  find(api.create_descriptor, "cudnnBackendCreateDescriptor");
  find(api.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  find(api.set_attribute, "cudnnBackendSetAttribute");
  find(api.get_attribute, "cudnnBackendGetAttribute");
  find(api.finalize, "cudnnBackendFinalize");
  find(api.execute, "cudnnBackendExecute");
  return complete ? std::optional(api) : std::nullopt;
}

}  // namespace

const CudnnApi* cudnn_api() {
  static const std::optional<CudnnApi> kApi = load();
  return kApi ? &*kApi : nullptr;
}

void cudnn_failed(cudnnStatus_t status, const char* expression, const char* file, int line) {
  fail(ExitCode::environment, "",
       "{}:{}: {}: found {}, wanted success; the attention was not computed; set "
       "CUDNN_LOGLEVEL_DBG=3 CUDNN_LOGDEST_DBG=stderr for the library's reasons",
       file, line, expression, cudnn_api()->error_string(status));
}

}  // namespace echelon::backend::cuda
