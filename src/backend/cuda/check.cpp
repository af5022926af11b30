#include "check.h"

namespace echelon::backend::cuda {

void cuda_failed(cudaError_t status, const char* expression, const char* file, int line) {
  const bool memory = status == cudaErrorMemoryAllocation;
  fail(memory ? ExitCode::out_of_memory : ExitCode::environment, memory ? "E9" : "",
       "{}:{}: {}: found {} ({}), wanted success; the device's work is lost; look at the driver's "
       "log (dmesg, nvidia-smi)",
       file, line, expression, cudaGetErrorName(status), cudaGetErrorString(status));
}

void cublas_failed(cublasStatus_t status, const char* expression, const char* file, int line) {
  fail(status == CUBLAS_STATUS_ALLOC_FAILED ? ExitCode::out_of_memory : ExitCode::environment, "",
       "{}:{}: {}: found {}, wanted success; the product was not computed; compare the versions of "
       "cuBLAS and of the driver",
       file, line, expression, cublasLtGetStatusString(status));
}

}  // namespace echelon::backend::cuda
