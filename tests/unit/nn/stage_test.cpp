// Cuts, micro-batches, deferred weight gradients, stash and readiness.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

namespace {
ModelConfig with_dropout(ModelConfig m) {
  m.hidden_dropout = m.attention_dropout = 0.2;
  return m;
}

MicroBatch rows_of(const MicroBatch& b, int64_t from, int64_t to) {
  return {b.tokens.slice(from, to), b.targets.slice(from, to), b.first_sample + from};
}
}  // namespace

TEST_CASE("every split of the batch into micro-batches gives the same loss and gradients", "[nn]") {
  const ModelConfig m = with_dropout(GENERATE(gpt2_style(), llama_style()));
  auto self = comm::make_self("tp");
  Rig whole(m, *self), split(m, *self);
  const MicroBatch b = whole.batch(4, 8, 5);
  const double loss = whole.step(b, 1.0f / 32);
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i) sum += split.step(rows_of(b, i, i + 1), 1.0f / 32);
  CHECK(sum == Approx(loss).epsilon(1e-6));
  Whole a, c;
  whole.collect(a, true);
  split.collect(c, true);
  CHECK(worst_difference(c, a) < 1e-5);  // other order of f32 sums
}

TEST_CASE("two stages give bit for bit the gradients of one", "[nn]") {
  const ModelConfig m = with_dropout(GENERATE(gpt2_style(), llama_style()));
  auto self = comm::make_self("tp");
  Rig whole(m, *self), first(m, *self, false, {0, 1, true, false}),
      last(m, *self, false, {1, 2, false, true});
  const MicroBatch b = whole.batch(2, 8, 5);
  const double loss = whole.step(b, 1.0f / 16);

  Context a = first.context(b), z = last.context(b);
  a.loss_scale = z.loss_scale = 1.0f / 16;
  const Tensor activation = first.stage.forward({}, a);
  CHECK(activation.shape() == first.stage.activation_shape(2, 8));
  CHECK(*last.stage.forward(activation, z).data<double>() == loss);
  first.stage.backward(last.stage.backward({}, z), a);

  Whole one, low, high;
  whole.collect(one, true);
  first.collect(low, true);
  last.collect(high, true);
  for (const auto& [name, values] : one) {
    INFO(name);
    if (name == "embed.weight" && m.tie_embeddings) {  // both copies' gradients together
      std::vector<double> wanted(values.begin(), values.end());
      std::vector<float> sum = low.at(name);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += high.at(name)[i];
      CHECK(echelon::test::worst_error(sum, wanted, 1e-6, 1e-8) <= 1);
    } else {
      CHECK((low.contains(name) ? low : high).at(name) == values);
    }
  }
}

TEST_CASE("deferred weight gradients are bit for bit those computed at once", "[nn]") {
  const ModelConfig m = with_dropout(gpt2_style());
  auto self = comm::make_self("tp");
  Rig at_once(m, *self), deferred(m, *self);
  const MicroBatch b = at_once.batch(2, 8, 5);
  at_once.step(b, 0.1f);
  WgradQueue queue;
  CountingSink sink;
  deferred.step(b, 0.1f, [&](Context& ctx) {
    ctx.wgrad = &queue;
    ctx.sink = &sink;
  });
  CHECK(sink.order.empty());
  for (auto& work : queue) work();
  CHECK(sink.order.size() == deferred.parameters.size());
  Whole a, c;
  at_once.collect(a, true);
  deferred.collect(c, true);
  CHECK(a == c);
}

TEST_CASE("each parameter is ready once, after its last contribution, in backward order", "[nn]") {
  const ModelConfig m = GENERATE(gpt2_style(), llama_style());
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  CountingSink sink;
  const MicroBatch b = rig.batch(2, 8, 5);
  rig.step(b, 1, [&](Context& ctx) {
    ctx.sink = &sink;
    ctx.last_micro_batch = false;
  });
  CHECK(sink.order.empty());
  rig.step(b, 1, [&](Context& ctx) { ctx.sink = &sink; });
  std::vector<std::string> names;
  for (const Parameter* p : rig.parameters) names.push_back(p->name);
  auto sorted = sink.order;
  std::sort(sorted.begin(), sorted.end());
  std::sort(names.begin(), names.end());
  CHECK(sorted == names);
  CHECK(sink.order.back() == "embed.weight");
  const auto at = [&](const std::string& n) {
    return std::find(sink.order.begin(), sink.order.end(), n) - sink.order.begin();
  };
  CHECK(at("ln_f.weight") < at("h.1.mlp.out.weight"));
  CHECK(at("h.1.ln1.weight") < at("h.0.mlp.out.weight"));
  CHECK(at("h.0.mlp.out.weight") < at("h.0.attn.qkv.weight"));
}

TEST_CASE("the stash holds the predicted bytes and backward empties it", "[nn]") {
  const ModelConfig m = GENERATE(gpt2_style(), llama_style());
  const bool sequence_parallel = GENERATE(false, true);
  const int ranks = GENERATE(1, 2);
  auto tp = comm::make_fake(0, ranks, "tp");
  Rig rig(m, *tp, sequence_parallel);
  const MicroBatch b = rig.batch(2, 8, 5);
  Context ctx = rig.context(b);
  rig.stage.forward({}, ctx);
  CHECK(static_cast<int64_t>(rig.stash.bytes()) == rig.stage.cost(16, 8, DType::f32).saved_bytes);
  rig.stage.backward({}, ctx);
  CHECK(rig.stash.empty());
  CHECK_THROWS_AS(rig.stage.backward({}, ctx), Error);
  rig.loss(b);
  CHECK(rig.stash.empty());
}

TEST_CASE("elements held equal the count without padding", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.make_vocab_size_divisible_by = 1;
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  int64_t held = 0;
  for (const Parameter* p : rig.parameters) held += p->shape.elements();
  CHECK(held == parameter_count(m));
  CHECK(rig.stage.cost(16, 8, DType::f32).params == held);
}
