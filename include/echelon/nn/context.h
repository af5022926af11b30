#pragma once
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "echelon/base/philox.h"
#include "echelon/base/trace.h"
#include "echelon/device/stream.h"
#include "echelon/nn/parameter.h"

namespace echelon::nn {

/// Tensors a micro-batch's forward leaves for its backward: last in, first out.
class Stash {
 public:
  virtual ~Stash() = default;
  virtual void push(Tensor tensor);
  virtual Tensor pop();
  virtual size_t bytes() const;
  bool empty() const { return items_.empty(); }

 private:
  std::vector<Tensor> items_;
};

/// Weight-gradient work put off by a schedule that splits backward in I and W.
using WgradQueue = std::deque<std::function<void()>>;

/// Input of one micro-batch. Rows of `tokens` and `targets` are sequences.
struct MicroBatch {
  Tensor tokens;             ///< [B,T] i32
  Tensor targets;            ///< [B,T] i32, ops::kIgnoreTarget where no loss is taken
  int64_t first_sample = 0;  ///< row 0 is this row of the global batch (dropout streams)
};

/// What a layer may use while it works on one micro-batch. Owned by the executor.
struct Context {
  Stream& stream;
  Allocator& memory;
  Stash& stash;
  const MicroBatch& batch;
  uint64_t seed = 0;
  int64_t step = 0;        ///< update number: part of the dropout streams
  bool training = true;    ///< false: no dropout, nothing stashed
  float loss_scale = 1.0;  ///< d(reported loss)/d(summed loss): 1/valid tokens of the global batch (* fp16 scale)
  bool last_micro_batch = true;
  GradSink* sink = nullptr;      ///< null: nobody waits for gradients
  WgradQueue* wgrad = nullptr;   ///< null: weight gradients are computed at once
  TraceSink* trace = nullptr;

  /// Runs or queues a weight-gradient computation, then reports the parameters as ready when this is
  /// the last micro-batch.
  void weight_gradient(std::function<void()> work, std::vector<Parameter*> parameters);
};

}  // namespace echelon::nn
