#pragma once
// Configurations of the layout tests: four styles of model, all optimizers, with and without
// dropout.
#include <array>
#include <string>

#include "src/trainer/verify.h"

namespace echelon::test {

inline constexpr int kStyles = 4;

/// 0: GPT-2 (tied). 1: LLaMA (untied, grouped queries, dropout of attention). 2: untied GPT with a
/// free head size. 3: RMSNorm, tied, no positions.
inline trainer::RunConfig model_of_style(int style) {
  trainer::RunConfig c;
  c.model.num_layers = 8;
  c.model.num_attention_heads = 24;
  c.model.hidden_size = 24 * 16;
  c.model.seq_length = 64;
  c.model.vocab_size = 1000;
  c.model.init_method_std = 0.1;  // gradients of all tensors well above rounding
  c.train.micro_batch_size = 2;
  c.train.global_batch_size = 192;
  c.optimizer.lr = 1e-3;
  c.scheduler.lr_decay_style = "constant";
  if (style == 1) {
    c.model.num_attention_heads = 48;
    c.model.num_query_groups = 24;
    c.model.hidden_size = 48 * 16;
    c.model.activation = ops::Activation::swiglu;
    c.model.normalization = nn::Normalization::rmsnorm;
    c.model.position_embedding_type = nn::Positions::rope;
    c.model.add_bias_linear = false;
    c.model.tie_embeddings = false;
  } else if (style == 2) {
    c.model.kv_channels = 8;
    c.model.tie_embeddings = false;
    c.model.activation = ops::Activation::gelu_tanh;
  } else if (style == 3) {
    c.model.normalization = nn::Normalization::rmsnorm;
    c.model.position_embedding_type = nn::Positions::none;
  }
  return c;
}

/// Optimizer `i` of the six, dropout on every second turn.
inline void vary(trainer::RunConfig& c, size_t i) {
  constexpr std::array<const char*, 6> kOptimizers = {"adamw", "sgd",  "lamb",
                                                      "adam",  "lion", "nag"};
  c.optimizer.type = kOptimizers[i % kOptimizers.size()];
  c.optimizer.lr = c.optimizer.type == "sgd" || c.optimizer.type == "nag" ? 1e-2 : 1e-3;
  c.clip_grad = c.optimizer.type == "lamb" ? 0 : 1.0;
  if (i / kOptimizers.size() % 2 == 1) return;
  c.model.hidden_dropout = 0.1;
  c.model.attention_dropout = 0.1;
}

}  // namespace echelon::test
