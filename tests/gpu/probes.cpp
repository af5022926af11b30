// Answers, from the device itself, questions whose answers the backend should not assume.
//   gpu_probes: one line each: name, answer. Exit code 11 without a device.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "echelon/ops/backend.h"
#include "src/backend/cuda/check.h"
#include "tests/support/golden.h"
#include "tests/support/reference_ops.h"

using namespace echelon;

namespace {

void say(const std::string& name, const std::string& answer) {
  fmt::print("{:34} {}\n", name, answer);
}

void describe_device() {
  cudaDeviceProp p{};
  ECH_CUDA(cudaGetDeviceProperties(&p, 0));
  int driver = 0, runtime = 0;
  ECH_CUDA(cudaDriverGetVersion(&driver));
  ECH_CUDA(cudaRuntimeGetVersion(&runtime));
  say("device", fmt::format("{}, sm_{}{}, {} SMs, {:.1f} GiB", p.name, p.major, p.minor,
                            p.multiProcessorCount, static_cast<double>(p.totalGlobalMem) / 0x1p30));
  say("versions",
      fmt::format("driver {}, runtime {}, cuBLASLt {}", driver, runtime, cublasLtGetVersion()));
}

/// 1 x 1 times 1 x n through the library's GELU epilogue: which function does it apply?
void probe_gelu() {
  constexpr int64_t kPoints = 10000;
  const auto x = test::fill(kPoints, 1, 6.0);
  std::vector<float> y(x.size());
  const float one = 1.0f, zero = 0.0f;
  void* memory = nullptr;
  ECH_CUDA(cudaMalloc(&memory, (2 * kPoints + 1) * sizeof(float)));
  float *const input = static_cast<float*>(memory), *const output = input + kPoints,
               *const unit = output + kPoints;
  ECH_CUDA(cudaMemcpy(input, x.data(), kPoints * sizeof(float), cudaMemcpyHostToDevice));
  ECH_CUDA(cudaMemcpy(unit, &one, sizeof one, cudaMemcpyHostToDevice));
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_GELU;
  ECH_CUBLAS(cublasLtCreate(&handle));
  ECH_CUBLAS(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  ECH_CUBLAS(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                            sizeof epilogue));
  ECH_CUBLAS(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, kPoints, 1, kPoints));
  ECH_CUBLAS(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 1, 1, 1));
  ECH_CUBLAS(cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, kPoints, 1, kPoints));
  ECH_CUBLAS(cublasLtMatmul(handle, product, &one, input, a, unit, b, &zero, output, d, output, d,
                            nullptr, nullptr, 0, nullptr));
  ECH_CUDA(cudaMemcpy(y.data(), output, kPoints * sizeof(float), cudaMemcpyDeviceToHost));
  double erf_error = 0.0, tanh_error = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i]), got = static_cast<double>(y[i]);
    erf_error = std::max(erf_error, std::abs(got - test::gelu(v)));
    tanh_error = std::max(tanh_error, std::abs(got - test::gelu_tanh(v)));
  }
  say("probe-1 GELU of cuBLASLt",
      fmt::format("{} (worst error: erf form {:.1e}, tanh form {:.1e})",
                  erf_error < tanh_error ? "erf" : "tanh", erf_error, tanh_error));
  for (const auto layout : {a, b, d}) ECH_CUBLAS(cublasLtMatrixLayoutDestroy(layout));
  ECH_CUBLAS(cublasLtMatmulDescDestroy(product));
  ECH_CUBLAS(cublasLtDestroy(handle));
  ECH_CUDA(cudaFree(memory));
}

/// Seconds of one call of `body`, after three calls unmeasured; median of five rounds of ten.
template <class Body>
double seconds(Stream& stream, const Body& body) {
  for (int i = 0; i < 3; ++i) body();
  std::vector<double> rounds;
  for (int round = 0; round < 5; ++round) {
    stream.synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) body();
    stream.synchronize();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    rounds.push_back(spent.count() / 10.0);
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[2];
}

void time_products(const ops::DeviceBackend& backend, Allocator& memory) {
  constexpr int64_t kSize = 4096;
  for (const auto& [name, type, tf32] :
       {std::tuple{"f32", DType::f32, false}, std::tuple{"tf32", DType::f32, true},
        std::tuple{"bf16", DType::bf16, false}}) {
    const auto stream = backend.make_stream(0, {.tf32 = tf32});
    Tensor x = Tensor::empty({kSize, kSize}, type, memory),
           w = Tensor::empty({kSize, kSize}, type, memory);
    Tensor y = Tensor::empty({kSize, kSize}, type, memory);
    backend.table->zero(x, *stream);
    backend.table->zero(w, *stream);
    const double s =
        seconds(*stream, [&] { backend.table->linear_forward(x, w, nullptr, y, *stream); });
    say(fmt::format("product 4096^3 {}", name),
        fmt::format("{:.0f} TFLOP/s (zeros)", 2.0 * std::pow(4096.0, 3.0) / s * 1e-12));
  }
}

void time_copy(const ops::DeviceBackend& backend, Allocator& memory) {
  const auto stream = backend.make_stream(0, {});
  Tensor a = Tensor::empty({int64_t{1} << 28}, DType::f32, memory);
  backend.table->zero(a, *stream);
  const double s = seconds(*stream, [&] { backend.table->scale(1.0f, a, *stream); });
  say("scale of 1 GiB", fmt::format("{:.0f} GB/s", 2.0 * 0x1p30 / s * 1e-9));
}

}  // namespace

int main() try {
  const ops::DeviceBackend& backend = ops::cuda_backend();
  const auto memory = backend.make_allocator(0);
  describe_device();
  probe_gelu();
  time_products(backend, *memory);
  time_copy(backend, *memory);
  for (const char* probe : {"probe-2 DGELU", "probe-9 fp8 layouts"})
    say(probe, "not built: the backend does not use it yet");
  for (const char* probe : {"probe-5 two ranks on one device", "probe-6 communicator splits",
                            "probe-7 concurrent collectives", "probe-8 abort", "probe-10 NVLink"})
    say(probe, "not built: there is no NCCL communicator yet");
  return 0;
} catch (const Error& e) {
  fmt::print("SKIPPED: {}\n", e.what());
  return static_cast<int>(e.code());
}
