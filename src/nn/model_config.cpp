#include "echelon/nn/model_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "echelon/nn/attention.h"
#include "echelon/nn/init.h"

namespace echelon::nn {

namespace {
constexpr std::array<std::string_view, 4> kActivations{"gelu", "gelu_tanh", "relu", "swiglu"};
constexpr std::array<std::string_view, 2> kNormalizations{"layernorm", "rmsnorm"};
constexpr std::array<std::string_view, 3> kPositions{"learned", "rope", "none"};

void name_field(config::Fields& f, std::string_view key, std::string& value,
                std::span<const std::string_view> names, std::string_view doc) {
  auto at = std::find(names.begin(), names.end(), value);
  int index = at == names.end() ? 0 : static_cast<int>(at - names.begin());
  f.one_of(key, index, names, doc);
  value = names[static_cast<size_t>(index)];
}

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
}  // namespace

void ModelConfig::fields(config::Fields& f) {
  f.integer("num_layers", num_layers, {1, 1 << 15}, "Transformer blocks.");
  f.integer("hidden_size", hidden_size, {1, 1 << 20}, "Width of the residual stream.");
  f.integer("num_attention_heads", num_attention_heads, {1, 1 << 16}, "Query heads.");
  f.integer("num_query_groups", num_query_groups, {0, 1 << 16},
            "Key/value heads (grouped-query attention); 0: as many as query heads.");
  f.integer("kv_channels", kv_channels, {0, 4096},
            "Head size; 0: hidden_size / num_attention_heads.");
  f.integer("ffn_hidden_size", ffn_hidden_size, {0, 1 << 22},
            "Width of the feed-forward layer; 0: 4 * hidden_size, or with swiglu 8/3 * hidden_size "
            "rounded up to a multiple of 256.");
  f.integer("seq_length", seq_length, {1, 1 << 24}, "Tokens of a training sequence.");
  f.integer("vocab_size", vocab_size, {0, 1 << 28},
            "Vocabulary; 0: taken from the data's tokenizer.");
  f.integer(
      "make_vocab_size_divisible_by", make_vocab_size_divisible_by, {1, 1 << 20},
      "The stored vocabulary is padded to a multiple of this times the tensor-parallel size.");
  f.choice("activation", activation, kActivations, "Activation of the feed-forward layer.");
  f.choice("normalization", normalization, kNormalizations, "Norm of the residual stream.");
  f.real("norm_epsilon", norm_epsilon, {0, 1}, "Added to the variance.");
  f.choice("position_embedding_type", position_embedding_type, kPositions,
           "Learned table, rotary, or none.");
  f.real("rotary_base", rotary_base, {1, 1e12}, "Base of the rotary frequencies.");
  f.boolean("add_bias_linear", add_bias_linear, "Biases in linear layers.");
  f.boolean("tie_embeddings", tie_embeddings, "The head uses the token matrix.");
  f.on_resume(config::OnResume::may_change);
  f.real("hidden_dropout", hidden_dropout, {0, 0.999},
         "Dropout of the embedding and of each branch's output.");
  f.real("attention_dropout", attention_dropout, {0, 0.999}, "Dropout of attention probabilities.");
  f.on_resume(config::OnResume::must_match);
  name_field(f, "init", init, init_kinds(), "Initialisation scheme.");
  f.real("init_method_std", init_method_std, {0, 100}, "Standard deviation of initial weights.");
}

void AttentionConfig::fields(config::Fields& f) {
  name_field(f, "kind", model.attention_kind, attention_kinds(), "Attention kind.");
}

int64_t ModelConfig::ffn_size() const {
  if (ffn_hidden_size) return ffn_hidden_size;
  return gated() ? round_up((8 * hidden_size + 2) / 3, 256) : 4 * hidden_size;
}

int64_t ModelConfig::padded_vocab(int64_t tp) const {
  return round_up(vocab_size, make_vocab_size_divisible_by * tp);
}

namespace {

std::string allowed_tp(const std::vector<int64_t>& extents) {
  std::vector<int64_t> good;
  const int64_t most = *std::min_element(extents.begin(), extents.end());
  for (int64_t t = 1; t <= std::min<int64_t>(most, 64); ++t)
    if (std::all_of(extents.begin(), extents.end(), [t](int64_t e) { return e % t == 0; }))
      good.push_back(t);
  return fmt::format("use tensor_model_parallel_size {}", fmt::join(good, ", "));
}

void check_split(const ModelConfig& m, int64_t tp, std::vector<ConfigIssue>& issues) {
  const std::string advice = allowed_tp({m.num_attention_heads, m.kv_heads(), m.ffn_size()});
  const auto divisible = [&](std::string_view key, int64_t value) {
    if (value % tp == 0) return;
    issues.push_back({"V02", fmt::format("model.{}", key),
                      fmt::format("{} with tensor_model_parallel_size {}", value, tp),
                      fmt::format("a multiple of {}", tp), advice});
  };
  divisible("num_attention_heads", m.num_attention_heads);
  if (m.num_query_groups) divisible("num_query_groups", m.num_query_groups);
  divisible("ffn_hidden_size", m.ffn_size());
}

void check_heads(const ModelConfig& m, std::vector<ConfigIssue>& issues) {
  if (!m.kv_channels && m.hidden_size % m.num_attention_heads != 0)
    issues.push_back({"V02", "model.num_attention_heads",
                      fmt::format("{} with hidden_size {}", m.num_attention_heads, m.hidden_size),
                      "a divisor of hidden_size", "change one of them, or set kv_channels"});
  if (m.num_attention_heads % m.kv_heads() != 0)
    issues.push_back(
        {"V02", "model.num_query_groups",
         fmt::format("{} with num_attention_heads {}", m.kv_heads(), m.num_attention_heads),
         "a divisor of num_attention_heads", "use 0 for one group per head"});
  if (m.position_embedding_type == Positions::rope && m.head_size() % 2 != 0)
    issues.push_back({"V02", "model.position_embedding_type",
                      fmt::format("rope with head size {}", m.head_size()), "an even head size",
                      "change num_attention_heads or kv_channels, or use learned positions"});
}

}  // namespace

std::vector<ConfigIssue> validate(const ModelConfig& m, int64_t tp, bool sequence_parallel) {
  std::vector<ConfigIssue> issues;
  check_heads(m, issues);
  check_split(m, tp, issues);
  if (m.vocab_size < 2)
    issues.push_back({"V32", "model.vocab_size", fmt::format("{}", m.vocab_size), "at least 2",
                      "set it, or name data with a tokenizer"});
  if (sequence_parallel && m.seq_length % tp != 0)
    issues.push_back({"V02", "model.seq_length",
                      fmt::format("{} with sequence_parallel over {} ranks", m.seq_length, tp),
                      fmt::format("a multiple of {}", tp),
                      "change seq_length or turn sequence_parallel off"});
  return issues;
}

int64_t parameter_count(const ModelConfig& m) {
  const int64_t h = m.hidden_size, f = m.ffn_size();
  const int64_t q = m.num_attention_heads * m.head_size(), kv = 2 * m.kv_heads() * m.head_size();
  const int64_t up = m.gated() ? 2 * f : f;
  const int64_t norm = m.norm_bias() ? 2 * h : h;
  int64_t layer = h * (q + kv) + q * h + h * up + f * h + 2 * norm;
  if (m.add_bias_linear) layer += q + kv + h + up + h;
  const int64_t positions = m.position_embedding_type == Positions::learned ? m.seq_length * h : 0;
  return m.num_layers * layer + m.vocab_size * h * (m.tie_embeddings ? 1 : 2) + norm + positions;
}

TokenFlops flops_per_token(const ModelConfig& m, int64_t tp) {
  const auto layers = static_cast<double>(m.num_layers);
  const auto h = static_cast<double>(m.hidden_size), f = static_cast<double>(m.ffn_size());
  const auto q = static_cast<double>(m.num_attention_heads * m.head_size());
  const auto k = static_cast<double>(m.kv_heads() * m.head_size());
  const auto s = static_cast<double>(m.seq_length);
  return {.linear = layers * (2 * h * (q + 2 * k) + 2 * q * h + (m.gated() ? 6 : 4) * h * f),
          .attention_full = layers * 4 * q * s,
          .attention_causal = layers * 4 * q * (s + 1) / 2,
          .head = 2 * h * static_cast<double>(m.padded_vocab(tp))};
}

}  // namespace echelon::nn
