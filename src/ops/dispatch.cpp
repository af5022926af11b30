#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/ops/backend.h"

namespace echelon::ops {
namespace {

constexpr const char* kLibrary = "libechelon_cuda.so";

[[noreturn]] void no_device(const std::string& reason) {
  fail(ExitCode::environment, "E1",
       "device: found cuda, wanted a device this program can use: {}; nothing was computed; use "
       "device: cpu, or run the CUDA build on a machine with a GPU and its driver",
       reason);
}

/// Where the build and the installation put the backend.
std::vector<std::filesystem::path> places() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  return {program / kLibrary, program / "../lib/echelon" / kLibrary};
}

const DeviceBackend& find_backend() {
  for (const auto& path : places()) {
    if (!std::filesystem::exists(path)) continue;
    const DeviceBackend& backend = load_backend(path.c_str());
    if (backend.count_devices() == 0) no_device("the driver reports no device");
    return backend;
  }
  no_device(fmt::format("no CUDA backend at {}", places().front().string()));
}

}  // namespace

const DeviceBackend& load_backend(const char* path) {
  // Never closed: its streams and buffers may live until the process ends.
  void* const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) no_device(::dlerror());
  const auto entry = reinterpret_cast<BackendEntry>(::dlsym(library, kBackendEntry));
  if (!entry) no_device(fmt::format("{} has no {}", path, kBackendEntry));
  const DeviceBackend* const backend = entry();
  if (backend->version != kBackendVersion)
    no_device(
        fmt::format("{} is of version {}, wanted {}", path, backend->version, kBackendVersion));
  return *backend;
}

const DeviceBackend& cuda_backend() {
  static const DeviceBackend& kBackend = find_backend();
  return kBackend;
}

const OpTable& table(Device device) {
  return device.kind == DeviceKind::cpu ? cpu_table() : *cuda_backend().table;
}

}  // namespace echelon::ops
