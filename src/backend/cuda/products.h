#pragma once
// Matrix products through cuBLASLt, with plans kept by shape.
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "echelon/base/handle.h"
#include "echelon/device/dtype.h"
#include "echelon/ops/backend.h"

namespace echelon::backend::cuda {

inline void destroy_cublas(cublasLtHandle_t h) { static_cast<void>(cublasLtDestroy(h)); }

/// d[m,n] = op(a) op(b) + beta d (+ bias[m] to every column), column-major as the library has it.
struct Product {
  bool transpose_a, transpose_b;
  int64_t m, n, k, lda, ldb;  ///< ldd is m
  DType type_a, type_b, type_d;
  bool bias, accumulate;

  auto key() const {
    return std::tuple(transpose_a, transpose_b, m, n, k, lda, ldb, type_a, type_b, type_d, bias,
                      accumulate);
  }
};

class Products {
 public:
  explicit Products(const ops::BackendOptions& options);
  ~Products();
  /// Enqueues. `workspace` holds kWorkspaceBytes. Sums in f32, in an order that is fixed per plan.
  void run(const Product& product, const void* a, const void* b, void* d, const void* bias,
           void* workspace, cudaStream_t stream);

  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

 private:
  struct Plan;
  using Key = decltype(std::tuple_cat(Product{}.key(), std::tuple<unsigned>{}));
  Plan& plan_for(const Product& product, unsigned alignment);

  bool tf32_;
  Handle<cublasLtHandle_t, destroy_cublas> handle_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace echelon::backend::cuda
