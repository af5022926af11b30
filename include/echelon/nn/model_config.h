#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/config/fields.h"
#include "echelon/ops/activation.h"

namespace echelon::nn {

enum class Normalization { layernorm, rmsnorm };
enum class Positions { learned, rope, none };

/// A combination that cannot run. The caller adds file and line and prints all of them.
struct ConfigIssue {
  std::string id;     ///< "V02"
  std::string key;    ///< "model.num_attention_heads"
  std::string found;  ///< "25 with tensor_model_parallel_size 2"
  std::string wanted;
  std::string advice;
};

/// `model:` of the configuration; names are Megatron-LM's where it has one.
struct ModelConfig {
  int64_t num_layers = 12;
  int64_t hidden_size = 768;
  int64_t num_attention_heads = 12;
  int64_t num_query_groups = 0;
  int64_t kv_channels = 0;
  int64_t ffn_hidden_size = 0;
  int64_t seq_length = 1024;
  int64_t vocab_size = 0;
  int64_t make_vocab_size_divisible_by = 128;
  ops::Activation activation = ops::Activation::gelu;
  Normalization normalization = Normalization::layernorm;
  double norm_epsilon = 1e-5;
  Positions position_embedding_type = Positions::learned;
  double rotary_base = 10000;
  bool add_bias_linear = true;
  bool tie_embeddings = true;
  double hidden_dropout = 0;
  double attention_dropout = 0;
  std::string init = "gpt2";
  double init_method_std = 0.02;
  std::string attention_kind = "dense";  ///< `attention.kind`, a block of its own
  void fields(config::Fields& f);

  int64_t kv_heads() const { return num_query_groups ? num_query_groups : num_attention_heads; }
  int64_t head_size() const {
    return kv_channels ? kv_channels : hidden_size / num_attention_heads;
  }
  /// ffn_hidden_size; 0 stands for 4*hidden, with swiglu for 8/3*hidden rounded up to a multiple of
  /// 256 (LLaMA).
  int64_t ffn_size() const;
  /// Rows of the stored token matrix: the vocabulary rounded up to a multiple of
  /// make_vocab_size_divisible_by * tp.
  int64_t padded_vocab(int64_t tp) const;
  bool norm_bias() const { return normalization == Normalization::layernorm; }
  bool gated() const { return activation == ops::Activation::swiglu; }
};

/// `attention:` of the configuration, read into the model's fields.
struct AttentionConfig {
  ModelConfig& model;
  void fields(config::Fields& f);
};

/// Every impossible combination, for `tp` tensor-parallel ranks. Empty: the model can be built.
std::vector<ConfigIssue> validate(const ModelConfig& model, int64_t tp, bool sequence_parallel);

/// Trainable elements of the whole model without vocabulary padding; a tied matrix counts once.
int64_t parameter_count(const ModelConfig& model);

/// Forward FLOPs per token of the whole model, matrix products only (Narayanan et al. 2021,
/// appendix). Training is three times the sum.
struct TokenFlops {
  double linear = 0;            ///< of the blocks
  double attention_full = 0;    ///< scores and values, full square (the published convention)
  double attention_causal = 0;  ///< the visible half, exact
  double head = 0;              ///< with the padded vocabulary
  double train(bool causal) const {
    return 3 * (linear + (causal ? attention_causal : attention_full) + head);
  }
};
TokenFlops flops_per_token(const ModelConfig& model, int64_t tp = 1);

}  // namespace echelon::nn
