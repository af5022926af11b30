#include <catch2/catch.hpp>
#include <cmath>

#include "echelon/ops/threads.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

TEST_CASE("rules of the gpt2 initialisation are the reference's", "[nn]") {
  const auto golden = echelon::test::golden_case("initialization", "rules_gpt2");
  ModelConfig m;
  m.num_layers = 12;
  const std::vector<std::pair<Use, std::string>> uses{
      {Use::token_table, "tok"}, {Use::position_table, "pos"},
      {Use::qkv, "attn.qkv.w"},  {Use::attention_out, "attn.proj.w"},
      {Use::mlp_in, "mlp.fc.w"}, {Use::mlp_out, "mlp.out.w"},
      {Use::bias, "bias"},       {Use::gain, "norm.gain"}};
  for (const auto& [use, name] : uses) {
    INFO(name);
    const auto& wanted = golden.at("expected").at(name);
    const InitRule rule = init_rule(use, m);
    const bool normal = wanted.at(0) == "normal";
    CHECK((rule.kind == InitRule::Kind::normal) == normal);
    CHECK(rule.value == Approx(wanted.at(0) == "one" ? 1.0 : wanted.at(1).get<double>()));
  }
  m.init = "nosuch";
  CHECK_THROWS_AS(init_rule(Use::qkv, m), Error);
}

TEST_CASE("element i of parameter n is normal number i of stream n", "[nn]") {
  auto self = comm::make_self("tp");
  const ModelConfig m = llama_style();
  Rig rig(m, *self);
  int64_t expected_number = 0;
  for (const Parameter* p : rig.parameters) {
    INFO(p->name);
    CHECK(p->shard.number == expected_number++);
    const InitRule rule = init_rule(p->use, m);
    const Philox rng{1234, static_cast<uint64_t>(p->shard.number)};
    const auto values = p->value.span<float>();
    const size_t last = static_cast<size_t>(m.vocab_size * m.hidden_size - 1);
    for (const size_t i : {size_t{0}, size_t{13}, std::min(last, values.size() - 1)}) {
      const double wanted =
          rule.kind == InitRule::Kind::normal ? rule.value * rng.normal(i) : rule.value;
      CHECK(values[i] == Approx(wanted).epsilon(1e-6).margin(1e-9));
    }
  }
  const Parameter& head = *rig.parameters.back();
  REQUIRE(head.name == "head.weight");
  for (int64_t r = m.vocab_size; r < head.shape[0]; ++r)  // padding
    CHECK(head.value.data<float>()[r * m.hidden_size] == 0.0f);
}

TEST_CASE("initial weights are the same for 1, 2 and 4 tensor-parallel ranks", "[nn]") {
  const ModelConfig m = GENERATE(gpt2_style(), llama_style());
  Whole reference;
  auto self = comm::make_self("tp");
  Rig(m, *self).collect(reference, false);
  for (const int ranks : {2, 4}) {
    Whole split;
    comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
      ops::use_threads(1);
      Rig(m, world).collect(split, false);
    });
    CHECK(split == reference);
  }
}

TEST_CASE("names and numbers do not depend on how the layers are cut into stages", "[nn]") {
  const ModelConfig m = gpt2_style();
  auto self = comm::make_self("tp");
  Rig whole(m, *self), first(m, *self, false, {0, 1, true, false}),
      last(m, *self, false, {1, 2, false, true});
  Whole a, b;
  whole.collect(a, false);
  first.collect(b, false);
  last.collect(b, false);  // its tied copy of the token matrix starts from the same values
  CHECK(a == b);
  REQUIRE(last.parameters.back()->name == "embed.weight");
  CHECK(last.parameters.back()->shard.tied_copy);
  CHECK(last.parameters.back()->shard.number == 0);
  CHECK(last.parameters.front()->name == "h.1.ln1.weight");
  CHECK(last.parameters.front()->shard.number == 14);
}
