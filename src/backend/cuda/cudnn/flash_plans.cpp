#include "../flash_plans.h"

#include <limits>
#include <map>
#include <optional>

#include "../cuda_stream.h"
#include "flash_graph.h"

namespace echelon::backend::cuda {
namespace {

struct Plan {
  Descriptor plan;
  int64_t workspace;
};
using Plans = std::map<FlashShape, std::optional<Plan>>;

std::optional<Plan> plan_for(const Graph& graph, cudnnHandle_t handle) {
  std::vector<Descriptor> complete;
  const Descriptor operations = graph.build(handle);
  try_plans(operations, {handle, {}}, complete);
  if (complete.empty()) return std::nullopt;
  int64_t count = 0, bytes = 0;
  ECH_CUDNN(cudnn_api()->get_attribute(complete.front().get(),
                                       CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                       1, &count, &bytes));
  return Plan{std::move(complete.front()), bytes};
}

/// Rows must be whole 16-byte units for the library's loads.
bool fits(const FlashShape& s) {
  const auto whole = [](int64_t stride) { return stride % 8 == 0; };
  return (s.type == DType::bf16 || s.type == DType::f16) && s.head_size % 8 == 0 &&
         s.head_size <= 256 && s.batch > 0 && s.queries > 1 && s.keys > 1 && whole(s.q_stride) &&
         whole(s.k_stride) && whole(s.v_stride) && whole(s.dq_stride) && whole(s.dk_stride) &&
         whole(s.dv_stride);
}

bool aligned(const FlashTensors& t) {
  for (const void* p : {t.q, t.k, t.v, static_cast<const void*>(t.out),
                        static_cast<const void*>(t.lse), t.dout, static_cast<const void*>(t.dq),
                        static_cast<const void*>(t.dk), static_cast<const void*>(t.dv)})
    if (reinterpret_cast<uintptr_t>(p) % 16 != 0) return false;
  return true;
}

}  // namespace

struct FlashPlans::State {
  cudnnHandle_t handle = nullptr;
  Plans forward, backward;

  ~State() {
    if (handle) static_cast<void>(cudnn_api()->destroy(handle));
  }
  bool ready(CudaStream& stream) {
    if (!cudnn_api()) return false;
    if (!handle) {
      stream.native();  // the device whose handle it is becomes current
      ECH_CUDNN(cudnn_api()->create(&handle));
      ECH_CUDNN(cudnn_api()->set_stream(handle, stream.native()));
    }
    return true;
  }

  void execute(const Plan& plan, const FlashTensors& t, int64_t row_sums, CudaStream& stream) {
    const auto head = static_cast<size_t>((row_sums * 4 + 255) / 256 * 256);
    auto* const scratch =
        static_cast<std::byte*>(stream.workspace(head + static_cast<size_t>(plan.workspace) + 256));
    float scale = t.scale, minus_infinity = -std::numeric_limits<float>::infinity(), one = 1.0f;
    const auto unconst = [](const void* p) { return const_cast<void*>(p); };
    std::vector<int64_t> ids = {kQ, kK, kV, kOut, kStats, kScale, kMinusInfinity};
    std::vector<void*> pointers = {unconst(t.q), unconst(t.k), unconst(t.v),   t.out,
                                   t.lse,        &scale,       &minus_infinity};
    if (t.dout) {
      ids.insert(ids.end(), {kDout, kDq, kDk, kDv, kOne, kRowSums});
      for (void* p : {unconst(t.dout), t.dq, t.dk, t.dv, static_cast<void*>(&one),
                      static_cast<void*>(scratch)})
        pointers.push_back(p);
    }
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    const auto count = static_cast<int64_t>(ids.size());
    void* const workspace = scratch + head;
    pack.array(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data());
    pack.array(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers.data());
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace).finalize();
    ECH_CUDNN(cudnn_api()->execute(handle, plan.plan.get(), pack.get()));
  }
};

FlashPlans::FlashPlans() : state_(std::make_unique<State>()) {}
FlashPlans::~FlashPlans() = default;

bool FlashPlans::forward(const FlashShape& shape, const FlashTensors& tensors, CudaStream& stream) {
  if (!fits(shape) || !aligned(tensors) || !state_->ready(stream)) return false;
  auto found = state_->forward.find(shape);
  if (found == state_->forward.end()) {
    auto plan = plan_for(flash_forward_graph(shape), state_->handle);
    found = state_->forward.emplace(shape, std::move(plan)).first;
  }
  if (!found->second) return false;
  state_->execute(*found->second, tensors, 0, stream);
  return true;
}

bool FlashPlans::backward(const FlashShape& shape, const FlashTensors& tensors,
                          CudaStream& stream) {
  if (!fits(shape) || !aligned(tensors) || !state_->ready(stream)) return false;
  auto found = state_->backward.find(shape);
  if (found == state_->backward.end()) {
    auto plan = plan_for(flash_backward_graph(shape), state_->handle);
    found = state_->backward.emplace(shape, std::move(plan)).first;
  }
  if (!found->second) return false;
  const int64_t row_sums = shape.batch * shape.heads * shape.queries;
  state_->execute(*found->second, tensors, row_sums, stream);
  return true;
}

}  // namespace echelon::backend::cuda
