#include <algorithm>
#include <catch2/catch.hpp>

#include "echelon/comm/world.h"
#include "echelon/config/load.h"
#include "echelon/nn/gpt_stage.h"
#include "tests/support/golden.h"

using namespace echelon;
using namespace echelon::nn;

namespace {

ModelConfig gpt2(int64_t layers, int64_t hidden, int64_t heads) {
  ModelConfig m;
  m.num_layers = layers;
  m.hidden_size = hidden;
  m.num_attention_heads = heads;
  m.vocab_size = 50257;
  return m;
}

ModelConfig llama(int64_t layers, int64_t hidden, int64_t heads, int64_t groups, int64_t ffn,
                  int64_t vocab) {
  ModelConfig m;
  m.num_layers = layers;
  m.hidden_size = hidden;
  m.num_attention_heads = heads;
  m.num_query_groups = groups;
  m.ffn_hidden_size = ffn;
  m.vocab_size = vocab;
  m.activation = ops::Activation::swiglu;
  m.normalization = Normalization::rmsnorm;
  m.position_embedding_type = Positions::rope;
  m.add_bias_linear = m.tie_embeddings = false;
  return m;
}

bool names(const std::vector<ConfigIssue>& issues, const std::string& key) {
  return std::any_of(issues.begin(), issues.end(),
                     [&](const ConfigIssue& i) { return i.key == key; });
}

}  // namespace

TEST_CASE("parameter counts are those of the published models", "[nn]") {
  CHECK(parameter_count(gpt2(12, 768, 12)) == 124439808);
  CHECK(parameter_count(gpt2(24, 1024, 16)) == 354823168);
  CHECK(parameter_count(gpt2(36, 1280, 20)) == 774030080);
  CHECK(parameter_count(gpt2(48, 1600, 25)) == 1557611200);
  CHECK(parameter_count(llama(32, 4096, 32, 0, 11008, 32000)) == 6738415616);
  CHECK(parameter_count(llama(80, 8192, 64, 8, 28672, 32000)) == 68976648192);
  CHECK(parameter_count(llama(32, 4096, 32, 8, 14336, 128256)) == 8030261248);
  CHECK(parameter_count(llama(126, 16384, 128, 8, 53248, 128256)) == 405853388800);
}

TEST_CASE("FLOPs per token are those of the worked examples", "[nn]") {
  const TokenFlops small = flops_per_token(gpt2(12, 768, 12));
  CHECK(small.train(false) == Approx(8.546550e8).epsilon(1e-6));
  CHECK(small.train(true) * 64 * 1024 == Approx(5.230344e13).epsilon(1e-6));
  const TokenFlops large = flops_per_token(gpt2(48, 1600, 20), 2);
  CHECK(large.train(false) * 64 * 1024 == Approx(6.733972e14).epsilon(1e-6));
}

TEST_CASE("the vocabulary is padded to a multiple of 128 per tensor-parallel rank", "[nn]") {
  const ModelConfig m = gpt2(12, 768, 12);
  CHECK(m.padded_vocab(1) == 50304);
  CHECK(m.padded_vocab(2) == 50432);
  CHECK(m.padded_vocab(4) == 50688);
  CHECK(m.padded_vocab(8) == 51200);
  CHECK(llama(32, 4096, 32, 0, 0, 32000).ffn_size() == 11008);
}

TEST_CASE("impossible combinations are all listed, with the values that would work", "[nn]") {
  CHECK(validate(gpt2(12, 768, 12), 4, true).empty());
  const auto heads25 = validate(gpt2(48, 1600, 25), 2, false);
  REQUIRE(heads25.size() == 1);
  CHECK(heads25[0].id == "V02");
  CHECK(heads25[0].key == "model.num_attention_heads");
  CHECK(heads25[0].found == "25 with tensor_model_parallel_size 2");
  CHECK(heads25[0].advice == "use tensor_model_parallel_size 1, 5, 25");

  ModelConfig m = gpt2(2, 30, 4);
  m.num_query_groups = 3;
  m.vocab_size = 0;
  m.seq_length = 9;
  m.position_embedding_type = Positions::rope;
  const auto many = validate(m, 2, true);
  CHECK(names(many, "model.num_attention_heads"));
  CHECK(names(many, "model.num_query_groups"));
  CHECK(names(many, "model.position_embedding_type"));
  CHECK(names(many, "model.vocab_size"));
  CHECK(names(many, "model.seq_length"));

  auto self = comm::make_fake(0, 2, "tp");
  try {
    GptStage stage(gpt2(2, 1600, 25), {0, 2, true, true}, *self, false);
    FAIL("25 heads were split over 2 ranks");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::config);
    CHECK(e.id() == "V02");
  }
}

TEST_CASE("parameters, saved activations and traffic equal the worked example of 1.5 billion",
          "[nn]") {
  const ModelConfig m = gpt2(48, 1600, 20);
  auto tp = comm::make_fake(1, 2, "tp");
  GptStage first(m, {0, 24, true, false}, *tp, true), last(m, {24, 48, false, true}, *tp, true);
  const Cost a = first.cost(2048, 1024, DType::bf16), b = last.cost(2048, 1024, DType::bf16);
  CHECK(a.params == 410988800);
  CHECK(b.params == 409353600);
  CHECK(a.saved_bytes == 24 * 52527104);
  // final norm input, output and statistics, logits, max and sum of the softmax
  CHECK(b.saved_bytes == 24 * 52527104 + 6553600 + 8 * 1024 + 2048 * 25216 * 2 + 8 * 2048);
  CHECK(a.comm_bytes * 16 == 15204352000 + 10171187200);
  CHECK(b.comm_bytes * 16 == 15309209600 + 10171187200 + 393216);
}

TEST_CASE("saved activations of a GPT-2 layer equal the worked example of 124 million", "[nn]") {
  auto self = comm::make_fake(0, 1, "tp");
  GptStage block(gpt2(12, 768, 12), {0, 1, false, false}, *self, false);
  CHECK(block.cost(8192, 1024, DType::bf16).saved_bytes == 201850880);
  GptStage whole(gpt2(12, 768, 12), StageRange::whole(gpt2(12, 768, 12)), *self, false);
  CHECK(whole.cost(8192, 1024, DType::bf16).params == 124475904);
}

TEST_CASE("forward FLOPs of a stage are those of the formula", "[nn]") {
  const ModelConfig m = GENERATE(gpt2(2, 64, 4), llama(2, 64, 4, 2, 96, 500));
  auto self = comm::make_fake(0, 1, "tp");
  GptStage whole(m, StageRange::whole(m), *self, false);
  const TokenFlops f = flops_per_token(m);
  const double tokens = 2.0 * static_cast<double>(m.seq_length);
  CHECK(whole.cost(2 * m.seq_length, m.seq_length, DType::f32).flops ==
        Approx(tokens * (f.linear + f.attention_causal + f.head)));
}

namespace {
struct Run {
  ModelConfig model;
  void fields(config::Fields& f) {
    f.group("model", model, "The decoder.");
    AttentionConfig attention{model};
    f.group("attention", attention, "Attention.");
  }
};
}  // namespace

TEST_CASE("the model is read from YAML under Megatron's names", "[nn]") {
  const Run run = config::load_text<Run>(
      "model:\n"
      "  num_layers: 3\n"
      "  num_query_groups: 2\n"
      "  activation: swiglu\n"
      "  normalization: rmsnorm\n"
      "  position_embedding_type: rope\n"
      "  tie_embeddings: false\n"
      "attention: {kind: dense}\n",
      "run.yaml");
  CHECK(run.model.num_layers == 3);
  CHECK(run.model.hidden_size == 768);
  CHECK(run.model.kv_heads() == 2);
  CHECK(run.model.gated());
  CHECK_FALSE(run.model.norm_bias());
  CHECK(run.model.position_embedding_type == Positions::rope);
  CHECK_FALSE(run.model.tie_embeddings);
  CHECK(run.model.init == "gpt2");
  CHECK_THROWS_AS(config::load_text<Run>("attention: {kind: nosuch}\n", "run.yaml"), Error);
  CHECK_THROWS_AS(config::load_text<Run>("model: {hidden_size: 0}\n", "run.yaml"), Error);
}
