#pragma once
// Status codes of foreign libraries become exceptions with expression, text, file and line.
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "echelon/base/error.h"

namespace echelon::backend::cuda {

[[noreturn]] void cuda_failed(cudaError_t status, const char* expression, const char* file,
                              int line);
[[noreturn]] void cublas_failed(cublasStatus_t status, const char* expression, const char* file,
                                int line);

}  // namespace echelon::backend::cuda

#define ECH_CUDA(expression)                                                                 \
  do {                                                                                       \
    if (const cudaError_t ech_status = (expression); ech_status != cudaSuccess) [[unlikely]] \
      ::echelon::backend::cuda::cuda_failed(ech_status, #expression, __FILE__, __LINE__);    \
  } while (false)

#define ECH_CUBLAS(expression)                                                               \
  do {                                                                                       \
    if (const cublasStatus_t ech_status = (expression); ech_status != CUBLAS_STATUS_SUCCESS) \
        [[unlikely]]                                                                         \
      ::echelon::backend::cuda::cublas_failed(ech_status, #expression, __FILE__, __LINE__);  \
  } while (false)
