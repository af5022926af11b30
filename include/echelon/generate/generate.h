#pragma once
// Text from a model, token by token, with a cache of keys and values.
#include <functional>
#include <string>
#include <vector>

#include "echelon/data/tokenizer.h"
#include "echelon/generate/sampling.h"
#include "echelon/nn/gpt_stage.h"

namespace echelon::generate {

/// Called with the printable text of every new token; the last call of a sample may hold back
/// nothing.
using OnText = std::function<void(int64_t sample, const std::string& text)>;

struct Sample {
  std::vector<int32_t> prompt, tokens;  ///< tokens: the new ones
  std::string text;                     ///< prompt and continuation; invalid UTF-8 replaced
  bool stopped = false;                 ///< end of text or `stop`, before max_new_tokens
};

/// Generates config.num_samples continuations with a model that lies on one stage (split over
/// tensor-parallel ranks or not; all of them call this and get the same text). When the sequence
/// outgrows model.seq_length, the cache starts again from its second half.
std::vector<Sample> generate(nn::GptStage& model, const data::Tokenizer& tokenizer,
                             const GenerateConfig& config, Stream& stream, Allocator& memory,
                             const OnText& on_text = {});

}  // namespace echelon::generate
