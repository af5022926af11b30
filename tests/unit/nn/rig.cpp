#include "tests/unit/nn/rig.h"

#include <cmath>

#include "echelon/ops/cross_entropy.h"
#include "echelon/ops/threads.h"

namespace echelon::nn::test {

Rig::Rig(const ModelConfig& model, comm::Communicator& tp, bool sequence_parallel)
    : Rig(model, tp, sequence_parallel, StageRange::whole(model)) {}

Rig::Rig(const ModelConfig& model, comm::Communicator& tp, bool sequence_parallel,
         const StageRange& range)
    : stage(model, range, tp, sequence_parallel), parameters(stage.parameters()) {
  ops::use_threads(1);  // the models are tiny
  allocate_parameters(parameters, DType::f32, true, *memory);
  initialize(parameters, model, 1234, *stream);
}

MicroBatch Rig::batch(int64_t sequences, int64_t tokens, int seed) {
  MicroBatch b;
  b.tokens = Tensor::empty({sequences, tokens}, DType::i32, *memory);
  b.targets = Tensor::empty({sequences, tokens}, DType::i32, *memory);
  const auto vocab = static_cast<int>(stage.model().vocab_size);
  const auto x = echelon::test::tokens(sequences * tokens, vocab, seed);
  const auto y = echelon::test::tokens(sequences * tokens, vocab, seed + 1);
  std::copy(x.begin(), x.end(), b.tokens.data<int32_t>());
  std::copy(y.begin(), y.end(), b.targets.data<int32_t>());
  b.targets.data<int32_t>()[sequences * tokens - 2] = ops::kIgnoreTarget;
  return b;
}

Context Rig::context(const MicroBatch& batch) {
  return {.stream = *stream, .memory = *memory, .stash = stash, .batch = batch, .seed = 77};
}

double Rig::step(const MicroBatch& batch, float loss_scale,
                 const std::function<void(Context&)>& tune) {
  Context ctx = context(batch);
  ctx.loss_scale = loss_scale;
  if (tune) tune(ctx);
  const double loss = *stage.forward({}, ctx).data<double>();
  stage.backward({}, ctx);
  if (!stash.empty()) throw std::runtime_error("backward left tensors on the stash");
  return loss;
}

double Rig::loss(const MicroBatch& batch) {
  Context ctx = context(batch);
  ctx.training = false;
  return *stage.forward({}, ctx).data<double>();
}

Tensor Rig::logits(const MicroBatch& batch) {
  Context ctx = context(batch);
  ctx.training = false;
  ctx.head = HeadOutput::logits;
  return stage.forward({}, ctx);
}

void Rig::zero_grads() {
  for (Parameter* p : parameters) fill_zero(p->grad);
}

namespace {

/// Calls visit(element of the stored tensor, element of the whole) for a part's box.
template <class Visit>
void for_box(const Parameter& p, const parallel::LogicalPart& part, Visit visit) {
  const bool matrix = p.shape.rank() >= 2;
  const int64_t columns = matrix ? part.box.size[1] : 1;
  const int64_t whole_columns = matrix ? part.whole[1] : 1;
  const int64_t first_column = matrix ? part.box.offset[1] : 0;
  for (int64_t r = 0; r < part.box.size[0]; ++r)
    for (int64_t c = 0; c < columns; ++c)
      visit((part.local_row + r) * columns + c,
            (part.box.offset[0] + r) * whole_columns + first_column + c);
}

std::mutex& collect_lock() {
  static std::mutex lock;
  return lock;
}

}  // namespace

void Rig::collect(Whole& whole, bool gradients) const {
  const std::lock_guard guard(collect_lock());
  for (const Parameter* p : parameters)
    for (const auto& part : p->shard.parts) {
      auto& to = whole[part.name];
      to.resize(static_cast<size_t>(part.whole.elements()), NAN);
      const float* from = (gradients ? p->grad : p->value).data<float>();
      for_box(*p, part, [&](int64_t stored, int64_t element) {
        to[static_cast<size_t>(element)] = from[stored];
      });
    }
}

void Rig::load(const Whole& whole) {
  for (Parameter* p : parameters)
    for (const auto& part : p->shard.parts) {
      const auto& from = whole.at(part.name);
      if (static_cast<int64_t>(from.size()) != part.whole.elements())
        throw std::runtime_error(part.name + ": sizes differ");
      float* to = p->value.data<float>();
      for_box(*p, part, [&](int64_t stored, int64_t element) {
        to[stored] = from[static_cast<size_t>(element)];
      });
    }
}

int64_t valid_targets(const MicroBatch& batch) {
  int64_t n = 0;
  for (const int32_t t : batch.targets.span<int32_t>()) n += t != ops::kIgnoreTarget;
  return n;
}

ModelConfig gpt2_style() {
  ModelConfig m;
  m.num_layers = 2;
  m.hidden_size = 16;
  m.num_attention_heads = 4;
  m.seq_length = 8;
  m.vocab_size = 29;
  m.make_vocab_size_divisible_by = 4;
  m.init_method_std = 0.2;
  return m;
}

ModelConfig llama_style() {
  ModelConfig m = gpt2_style();
  m.num_attention_heads = 8;
  m.num_query_groups = 4;
  m.kv_channels = 4;
  m.ffn_hidden_size = 24;
  m.activation = ops::Activation::swiglu;
  m.normalization = Normalization::rmsnorm;
  m.position_embedding_type = Positions::rope;
  m.add_bias_linear = false;
  m.tie_embeddings = false;
  return m;
}

double worst_difference(const Whole& a, const Whole& b) {
  if (a.size() != b.size()) return INFINITY;
  const auto largest_of = [](const std::vector<float>& values) {
    double largest = 0;
    for (const float v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
    return largest;
  };
  double overall = 0, worst = 0;
  for (const auto& [name, values] : b) overall = std::max(overall, largest_of(values));
  for (const auto& [name, values] : b) {
    const auto other = a.find(name);
    if (other == a.end() || other->second.size() != values.size()) return INFINITY;
    double difference = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double d = std::abs(static_cast<double>(other->second[i]) - values[i]);
      if (std::isnan(d)) return INFINITY;
      difference = std::max(difference, d);
    }
    worst = std::max(worst, difference / std::max(largest_of(values), 1e-3 * overall));
  }
  return worst;
}

}  // namespace echelon::nn::test
