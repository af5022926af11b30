#include "products.h"

#include <algorithm>

#include "check.h"

namespace echelon::backend::cuda {
namespace {

void destroy_product(cublasLtMatmulDesc_t d) { static_cast<void>(cublasLtMatmulDescDestroy(d)); }
void destroy_layout(cublasLtMatrixLayout_t l) { static_cast<void>(cublasLtMatrixLayoutDestroy(l)); }
void destroy_preference(cublasLtMatmulPreference_t p) {
  static_cast<void>(cublasLtMatmulPreferenceDestroy(p));
}
using Layout = Handle<cublasLtMatrixLayout_t, destroy_layout>;

cudaDataType_t type_of(DType type) {
  switch (type) {
    case DType::f32: return CUDA_R_32F;
    case DType::bf16: return CUDA_R_16BF;
    case DType::f16: return CUDA_R_16F;
    default: ECH_CHECK(false, "{} is not a type of matrix products", name_of(type));
  }
}

Layout layout_of(DType type, int64_t rows, int64_t columns, int64_t leading) {
  cublasLtMatrixLayout_t layout = nullptr;
  ECH_CUBLAS(cublasLtMatrixLayoutCreate(&layout, type_of(type), static_cast<uint64_t>(rows),
                                        static_cast<uint64_t>(columns), leading));
  return Layout(layout);
}

template <class T>
void set(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  ECH_CUBLAS(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value));
}
template <class T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const T& value) {
  ECH_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
}

/// Largest power of two up to 16 that divides the address.
unsigned alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer) | 16;
  return static_cast<unsigned>(address & (~address + 1));
}

}  // namespace

struct Products::Plan {
  Handle<cublasLtMatmulDesc_t, destroy_product> product;
  Layout a, b, d;
  cublasLtMatmulAlgo_t algorithm{};
};

Products::Products(const ops::BackendOptions& options) : tf32_(options.tf32) {
  cublasLtHandle_t handle = nullptr;
  ECH_CUBLAS(cublasLtCreate(&handle));
  handle_.reset(handle);
}
Products::~Products() = default;

Products::Plan& Products::plan_for(const Product& p, unsigned alignment) {
  const Key key = std::tuple_cat(p.key(), std::tuple(alignment));
  if (const auto found = plans_.find(key); found != plans_.end()) return *found->second;
  auto plan = std::make_unique<Plan>();
  cublasLtMatmulDesc_t product = nullptr;
  const bool full = p.type_a == DType::f32 && tf32_;
  ECH_CUBLAS(cublasLtMatmulDescCreate(
      &product, full ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
  plan->product.reset(product);
  set(product, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(product, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias) {
    set(product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(p.type_d));
  }
  plan->a = layout_of(p.type_a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda);
  plan->b = layout_of(p.type_b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb);
  plan->d = layout_of(p.type_d, p.m, p.n, p.m);

  cublasLtMatmulPreference_t preference = nullptr;
  ECH_CUBLAS(cublasLtMatmulPreferenceCreate(&preference));
  const Handle<cublasLtMatmulPreference_t, destroy_preference> owner(preference);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  // Split sums are added up in order from the workspace, never by atomics in place.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(preference, attribute, static_cast<uint32_t>(alignment));
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  ECH_CUBLAS(cublasLtMatmulAlgoGetHeuristic(handle_.get(), product, plan->a.get(), plan->b.get(),
                                            plan->d.get(), plan->d.get(), preference, 1, &best,
                                            &found));
  if (found == 0)
    fail(ExitCode::environment, "",
         "matrix product {} x {} x {} of {}: found no algorithm of cuBLASLt, wanted one; nothing "
         "was computed; use sizes that are multiples of 8, or f32",
         p.m, p.n, p.k, name_of(p.type_a));
  plan->algorithm = best.algo;
  return *plans_.emplace(key, std::move(plan)).first->second;
}

void Products::run(const Product& p, const void* a, const void* b, void* d, const void* bias,
                   void* workspace, cudaStream_t stream) {
  Plan& plan = plan_for(p, std::min({alignment_of(a), alignment_of(b), alignment_of(d)}));
  if (p.bias) set(plan.product.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  const float alpha = 1.0f, beta = p.accumulate ? 1.0f : 0.0f;
  ECH_CUBLAS(cublasLtMatmul(handle_.get(), plan.product.get(), &alpha, a, plan.a.get(), b,
                            plan.b.get(), &beta, d, plan.d.get(), d, plan.d.get(), &plan.algorithm,
                            workspace, kWorkspaceBytes, stream));
}

}  // namespace echelon::backend::cuda
