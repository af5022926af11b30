// cuDNN makes plans for a device that it knows from text alone. A supported graph gets as far as
// loading its compiled kernel, which the stub driver refuses; for attention forward, engine 1 is a
// generic route that takes graphs beyond the attention kernels too, so another one must get there.
#include <catch2/catch.hpp>

#include <dlfcn.h>

#include <iostream>

#include "src/backend/cuda/cudnn/flash_graph.h"

using namespace echelon;
using namespace echelon::backend::cuda;

namespace {

constexpr const char* kH100 =
    R"({"deviceName":"NVIDIA H100 80GB HBM3","maxGridSize":[2147483647,65535,65535],)"
    R"("maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"multiProcessorCount":132,"warpSize":32,)"
    R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
    R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,)"
    R"("maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,)"
    R"("supportCoopLaunch":1,"totalGlobalMem":85017755648,"smClockRateKHz":1980000,)"
    R"("memClockRateKHz":2619000,"l2CacheSize":52428800,"cudaDeviceId":0,"deviceVer":900,)"
    R"("driverVer":13000})";

/// The stub driver's answer to loading a compiled kernel; success on a machine with a driver.
bool compiled(const PlanTry& t) {
  return t.status == CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER || t.status == CUDNN_STATUS_SUCCESS;
}

bool skipped() {
  const bool driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != nullptr;
  if (cudnn_api() && driver && cudnn_api()->version() >= 90000) return false;
  std::cout << "SKIPPED: "
            << (cudnn_api() ? "neither a driver nor the toolkit's stub of it"
                            : "libcudnn.so.9 is absent")
            << '\n';
  return true;
}

FlashShape shape(int64_t head_size, int64_t kv_heads, bool causal, DType type = DType::bf16) {
  constexpr int64_t kHeads = 8;
  const int64_t width = (kHeads + 2 * kv_heads) * head_size;  // one packed qkv array
  return {.batch = 2,
          .queries = 1024,
          .keys = 1024,
          .heads = kHeads,
          .kv_heads = kv_heads,
          .head_size = head_size,
          .causal = causal,
          .type = type,
          .q_stride = width,
          .k_stride = width,
          .v_stride = width,
          .dq_stride = width,
          .dk_stride = width,
          .dv_stride = width};
}

/// Whether an engine whose index is at least `first` compiles the graph.
bool plans(const Graph& graph, int64_t first) {
  const auto good = [first](const PlanTry& t) { return t.engine >= first && compiled(t); };
  std::vector<Descriptor> complete;
  const auto tries = try_plans(graph.build(nullptr), {nullptr, kH100}, complete, good);
  for (const PlanTry& t : tries)
    UNSCOPED_INFO("engine " << t.engine << ": " << cudnn_api()->error_string(t.status));
  return !tries.empty() && good(tries.back());
}
bool forward_plans(const FlashShape& s) { return plans(flash_forward_graph(s), 2); }
bool backward_plans(const FlashShape& s) { return plans(flash_backward_graph(s), 0); }

}  // namespace

TEST_CASE("cuDNN compiles attention forward and backward for sm_90", "[cuda]") {
  if (skipped()) return;
  for (const int64_t head_size : {64, 128})
    for (const int64_t kv_heads : {8, 2})
      for (const bool causal : {true, false}) {
        CAPTURE(head_size, kv_heads, causal);
        CHECK(forward_plans(shape(head_size, kv_heads, causal)));
        CHECK(backward_plans(shape(head_size, kv_heads, causal)));
      }
  CHECK(forward_plans(shape(64, 8, true, DType::f16)));
  CHECK(backward_plans(shape(64, 8, true, DType::f16)));
}

TEST_CASE("cuDNN refuses what its attention kernels do not support", "[cuda]") {
  if (skipped()) return;
  CHECK_FALSE(forward_plans(shape(100, 8, true)));   // no multiple of 8
  CHECK_FALSE(backward_plans(shape(512, 8, true)));  // too large
}
