#pragma once
// Operation graphs of cuDNN: tensors, operations, and the graph of them all.
#include <array>
#include <deque>
#include <functional>

#include "api.h"

namespace echelon::backend::cuda {

using Four = std::array<int64_t, 4>;

class Graph {
 public:
  struct TensorSpec {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    Four size{}, stride{};
    int64_t id = 0;         ///< 0: virtual, an id is drawn
    bool by_value = false;  ///< a number of the host, given when the plan is executed
  };
  /// References stay valid.
  const Descriptor& tensor(const TensorSpec& spec);

  /// y = mode(x), mode(x, b), or select(x, b, t): x where t, b elsewhere.
  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b,
                 const Descriptor* t, const Descriptor& y,
                 cudnnDataType_t compute = CUDNN_DATA_FLOAT);
  /// y = index along `axis` of every element.
  void index(const Descriptor& x, int64_t axis, const Descriptor& y);
  void matmul(const Descriptor& a, const Descriptor& b, const Descriptor& c);
  void reduce(cudnnReduceTensorOp_t op, const Descriptor& x, const Descriptor& y);
  void reshape(const Descriptor& x, const Descriptor& y);

  /// The finalized graph. `handle` may be null where plans are made from device properties.
  Descriptor build(cudnnHandle_t handle) const;

 private:
  std::deque<Descriptor> parts_, operations_;
  int64_t next_virtual_ = 1000;
};

/// What a plan can be made for: a handle of a real device, or properties of one as JSON text.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  std::string properties;
};

/// What became of one engine configuration that the heuristics offered.
struct PlanTry {
  int64_t engine = -1;
  cudnnStatus_t status = CUDNN_STATUS_NOT_INITIALIZED;
};
/// Plans of heuristic mode A in the library's order, until one is complete or `enough` of its try;
/// the complete one is moved to `plan`.
std::vector<PlanTry> try_plans(const Descriptor& graph, const PlanTarget& target,
                               std::vector<Descriptor>& plan,
                               const std::function<bool(const PlanTry&)>& enough = nullptr);

}  // namespace echelon::backend::cuda
