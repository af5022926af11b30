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
  /// Bytes kept alive; a tensor pushed twice (attention output) counts once.
  virtual size_t bytes() const;
  virtual bool empty() const { return items_.empty(); }

 private:
  std::vector<Tensor> items_;
};

/// Weight-gradient work put off by a schedule that splits backward in I and W.
using WgradQueue = std::deque<std::function<void()>>;

/// Input of one micro-batch. Rows of `tokens` and `targets` are sequences. Every stage of a
/// pipeline needs the shape of `tokens`; its values are read by the first, the targets by the last.
struct MicroBatch {
  Tensor tokens;             ///< [B,T] i32
  Tensor targets;            ///< [B,T] i32, ops::kIgnoreTarget where no loss is taken
  int64_t first_sample = 0;  ///< row 0 is this row of the global batch (dropout streams)
  int64_t sequences() const { return tokens.size(0); }
  int64_t length() const { return tokens.size(1); }
};

/// What the head hands back: the summed loss (f64, one element), or logits in true vocabulary
/// order, f32 [rows, vocab], gathered over the tensor-parallel group: of all rows or of the last
/// row of each sequence. Only `loss` can be followed by a backward.
enum class HeadOutput { loss, logits, last_logits };

struct Decoding;
struct ContextParallel;

/// Where to add the gradient of a parameter, asked at the moment of writing: with ZeRO stage 2 the
/// memory exists from here until the parameter is reported ready. Null sink: Parameter::grad.
inline Tensor gradient_of(Parameter& parameter, GradSink* sink) {
  if (sink) sink->prepare(parameter);
  return parameter.grad;
}

/// What a layer may use while it works on one micro-batch. Owned by the executor.
struct Context {
  Stream& stream;
  Allocator& memory;
  std::reference_wrapper<Stash> stash;  ///< a copy of the context may use another one
  const MicroBatch& batch;
  uint64_t seed = 0;
  int64_t step = 0;      ///< update number: part of the dropout streams
  bool training = true;  ///< false: no dropout, nothing stashed
  float loss_scale =
      1.0;  ///< d(reported loss)/d(summed loss): 1/valid tokens of the global batch (* fp16 scale)
  bool last_micro_batch = true;
  GradSink* sink = nullptr;     ///< null: nobody waits for gradients
  WgradQueue* wgrad = nullptr;  ///< null: weight gradients are computed at once
  TraceSink* trace = nullptr;
  Stream* tp_stream = nullptr;  ///< stream of tensor-parallel collectives; null: `stream`
  const ContextParallel* context_parallel = nullptr;  ///< null: sequences are whole
  Decoding* decoding = nullptr;  ///< cached decoding: rows continue the sequences in the cache
  HeadOutput head = HeadOutput::loss;

  /// Runs or queues a weight-gradient computation, then reports the parameters as ready when this
  /// is the last micro-batch. `work` must not refer to this context: it may run after it is gone.
  void weight_gradient(std::function<void()> work, std::vector<Parameter*> parameters);
  /// Stashes what backward needs; nothing when not training.
  void save(const Tensor& tensor) {
    if (training) stash.get().push(tensor);
  }
  Tensor restore() { return stash.get().pop(); }
};

}  // namespace echelon::nn
