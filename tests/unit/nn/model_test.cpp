// What any decoder must do: see only the past, start near ln V, learn, decode.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <utility>

#include "echelon/nn/decoding.h"
#include "echelon/ops/optimizer.h"
#include "echelon/ops/threads.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

TEST_CASE("changing a token changes no earlier logit, not by a bit", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.attention_kind = GENERATE(from_range(attention_kinds()));
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  const MicroBatch b = rig.batch(2, 8, 9);
  const auto before = echelon::test::values_of(rig.logits(b));
  const int64_t changed = 5;
  for (int64_t s = 0; s < 2; ++s) {
    int32_t& token = b.tokens.data<int32_t>()[s * 8 + changed];
    token = (token + 1) % static_cast<int32_t>(m.vocab_size);
  }
  const auto after = echelon::test::values_of(rig.logits(b));
  const auto row = static_cast<size_t>(m.vocab_size);
  for (size_t r = 0; r < 16; ++r) {
    INFO("row " << r);
    const bool same = std::memcmp(&before[r * row], &after[r * row], row * sizeof(float)) == 0;
    CHECK(same == (static_cast<int64_t>(r % 8) < changed));
  }
}

TEST_CASE("the loss of a fresh model is within 2 % of ln V", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.init_method_std = 0.02;
  m.vocab_size = 500;
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  const MicroBatch b = rig.batch(8, 8, 9);
  const double loss = rig.loss(b) / static_cast<double>(valid_targets(b));
  CHECK(loss == Approx(std::log(500.0)).epsilon(0.02));
}

TEST_CASE("one batch of four sequences is learnt by heart", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.hidden_size = 32;
  m.init_method_std = 0.05;
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  MicroBatch b = rig.batch(4, 8, 9);
  // distinct first tokens, so that no two sequences ask the impossible
  for (int32_t s = 0; s < 4; ++s) b.tokens.data<int32_t>()[s * 8] = s;
  const auto valid = static_cast<float>(valid_targets(b));
  std::vector<std::pair<Tensor, Tensor>> moments;
  for (const Parameter* p : rig.parameters)
    moments.emplace_back(Tensor::zeros(p->shape, DType::f32, *rig.memory),
                         Tensor::zeros(p->shape, DType::f32, *rig.memory));
  double loss = 0;
  for (int64_t t = 1; t <= 200; ++t) {
    rig.zero_grads();
    loss = rig.step(b, 1 / valid) / valid;
    for (size_t i = 0; i < rig.parameters.size(); ++i)
      ops::adam_update({.lr = 1e-2,
                        .beta1 = 0.9,
                        .beta2 = 0.99,
                        .eps = 1e-8,
                        .weight_decay = 0,
                        .grad_scale = 1,
                        .step = t,
                        .decoupled = true},
                       rig.parameters[i]->value, rig.parameters[i]->grad, moments[i].first,
                       moments[i].second, *rig.stream);
  }
  CHECK(loss < 0.05);
}

namespace {

/// Logits of the last position after feeding `tokens` in pieces of the given lengths.
std::vector<float> decode(Rig& rig, const Tensor& tokens, const std::vector<int64_t>& pieces) {
  const int64_t batch = tokens.size(0), length = tokens.size(1);
  Decoding state;
  state.capacity = length;
  Tensor logits;
  for (const int64_t n : pieces) {
    MicroBatch b;
    b.tokens = Tensor::empty({batch, n}, DType::i32, *rig.memory);
    for (int64_t s = 0; s < batch; ++s)
      std::copy_n(tokens.data<int32_t>() + s * length + state.position, n,
                  b.tokens.data<int32_t>() + s * n);
    Context ctx = rig.context(b);
    ctx.training = false;
    ctx.decoding = &state;
    ctx.head = HeadOutput::last_logits;
    logits = rig.stage.forward({}, ctx);
    state.position += n;
  }
  return echelon::test::values_of(logits);
}

}  // namespace

TEST_CASE("decoding with a cache equals the full forward, in pieces and over ranks", "[nn]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.attention_kind = GENERATE(from_range(attention_kinds()));
  auto self = comm::make_self("tp");
  Rig one(m, *self);
  const MicroBatch b = one.batch(2, 8, 9);
  const auto all = echelon::test::values_of(one.logits(b));
  const auto v = static_cast<size_t>(m.vocab_size);
  std::vector<double> wanted(all.begin() + static_cast<long>(7 * v),
                             all.begin() + static_cast<long>(8 * v));
  wanted.insert(wanted.end(), all.begin() + static_cast<long>(15 * v), all.end());
  for (const std::vector<int64_t>& pieces :
       {std::vector<int64_t>(8, 1), std::vector<int64_t>{5, 1, 2}, std::vector<int64_t>{8}})
    CHECK(echelon::test::worst_error(decode(one, b.tokens, pieces), wanted, 1e-5, 1e-5) <= 1);
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    Rig rig(m, world, true);
    const auto logits = decode(rig, b.tokens, {3, 1, 1, 1, 1, 1});
    if (echelon::test::worst_error(logits, wanted, 1e-5, 1e-5) > 1)
      throw std::runtime_error("decoding over 2 ranks differs");
    const auto full = echelon::test::values_of(rig.logits(b));
    if (echelon::test::worst_error(full, {all.begin(), all.end()}, 1e-5, 1e-5) > 1)
      throw std::runtime_error("logits over 2 ranks differ");
  });
}

TEST_CASE("decoding beyond the cache or the position table is refused", "[nn]") {
  auto self = comm::make_self("tp");
  Rig rig(gpt2_style(), *self);
  const MicroBatch b = rig.batch(1, 4, 9);
  Context ctx = rig.context(b);
  ctx.training = false;
  ctx.head = HeadOutput::last_logits;
  Decoding state;
  state.capacity = 3;
  ctx.decoding = &state;
  CHECK_THROWS_AS(rig.stage.forward({}, ctx), Error);
  state.capacity = 64;
  state.position = 6;
  CHECK_THROWS_AS(rig.stage.forward({}, ctx), Error);
}

TEST_CASE("ids outside the vocabulary are refused, on every rank that reads them", "[nn]") {
  auto self = comm::make_self("tp");
  Rig rig(gpt2_style(), *self);
  const MicroBatch b = rig.batch(2, 8, 9);
  const auto id_of_failure = [&](const Tensor& ids, int32_t bad) {
    int32_t& at = ids.data<int32_t>()[3];
    const int32_t good = std::exchange(at, bad);
    std::string id;
    try {
      rig.loss(b);
    } catch (const Error& e) {
      id = e.id();
    }
    at = good;
    return id;
  };
  CHECK(id_of_failure(b.tokens, 29) == "D3");  // a padding row, not a token
  CHECK(id_of_failure(b.tokens, -1) == "D3");
  CHECK(id_of_failure(b.targets, 29) == "D3");
  CHECK(id_of_failure(b.targets, -100) == "");
  CHECK(id_of_failure(b.tokens, 28) == "");
}
