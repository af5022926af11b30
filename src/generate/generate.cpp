#include "echelon/generate/generate.h"

#include <algorithm>

#include "echelon/nn/decoding.h"

namespace echelon::generate {

namespace {

/// One growing sequence on one model.
class Sequence {
 public:
  Sequence(nn::GptStage& model, Stream& stream, Allocator& memory)
      : model_(model), stream_(stream), memory_(memory) {
    restart();
  }

  /// Feeds the ids and returns the logits after the last one. Keeps within the model's positions.
  Tensor feed(std::span<const int32_t> ids) {
    seen_.insert(seen_.end(), ids.begin(), ids.end());
    std::vector<int32_t> next(ids.begin(), ids.end());
    if (decoding_.position + static_cast<int64_t>(next.size()) > decoding_.capacity) {
      const auto keep = std::min<size_t>(
          seen_.size(), static_cast<size_t>(std::max<int64_t>(1, decoding_.capacity / 2)));
      next.assign(seen_.end() - static_cast<std::ptrdiff_t>(keep), seen_.end());
      restart();
    }
    const auto count = static_cast<int64_t>(next.size());
    nn::MicroBatch batch;
    batch.tokens = Tensor::empty({1, count}, DType::i32, memory_);
    std::copy(next.begin(), next.end(), batch.tokens.data<int32_t>());
    nn::Stash unused;
    nn::Context ctx{.stream = stream_,
                    .memory = memory_,
                    .stash = unused,
                    .batch = batch,
                    .training = false,
                    .decoding = &decoding_,
                    .head = nn::HeadOutput::last_logits};
    Tensor logits = model_.forward({}, ctx);
    decoding_.position += count;
    return logits;
  }

  const std::vector<int32_t>& seen() const { return seen_; }

 private:
  void restart() {
    decoding_ = {};
    decoding_.capacity = model_.model().seq_length;
  }

  nn::GptStage& model_;
  Stream& stream_;
  Allocator& memory_;
  nn::Decoding decoding_;
  std::vector<int32_t> seen_;
};

std::vector<int32_t> prompt_ids(const data::Tokenizer& tokenizer, const std::string& prompt) {
  auto ids = tokenizer.encode(prompt);
  if (ids.empty()) ids.push_back(std::max(0, tokenizer.end_of_text()));
  return ids;
}

Sample one(nn::GptStage& model, const data::Tokenizer& tokenizer, const GenerateConfig& config,
           int64_t index, Stream& stream, Allocator& memory, const OnText& on_text) {
  Sample sample;
  sample.prompt = prompt_ids(tokenizer, config.prompt);
  Sequence sequence(model, stream, memory);
  data::StreamDecoder decoder(tokenizer);
  const auto emit = [&](const std::string& text) {
    sample.text += text;
    if (on_text && !text.empty()) on_text(index, text);
  };
  emit(config.prompt);
  const size_t prompt_end = sample.text.size();
  Tensor logits = sequence.feed(sample.prompt);
  for (int64_t k = 0; k < config.max_new_tokens; ++k) {
    const auto position = static_cast<int64_t>(sequence.seen().size());
    const int32_t id =
        generate::sample(logits.span<float>(), config, sequence.seen(), index, position);
    if (id == tokenizer.end_of_text()) {
      sample.stopped = true;
      break;
    }
    sample.tokens.push_back(id);
    emit(decoder.push(id));
    if (!config.stop.empty() && sample.text.find(config.stop, prompt_end) != std::string::npos) {
      sample.stopped = true;
      break;
    }
    if (k + 1 < config.max_new_tokens) logits = sequence.feed({&id, 1});
  }
  emit(decoder.finish());
  return sample;
}

}  // namespace

std::vector<Sample> generate(nn::GptStage& model, const data::Tokenizer& tokenizer,
                             const GenerateConfig& config, Stream& stream, Allocator& memory,
                             const OnText& on_text) {
  if (tokenizer.vocab_size() > model.model().vocab_size)
    fail(
        ExitCode::config, "C9",
        "tokenizer: found a vocabulary of {}, wanted at most the model's {}; nothing was generated",
        tokenizer.vocab_size(), model.model().vocab_size);
  std::vector<Sample> samples;
  for (int64_t i = 0; i < config.num_samples; ++i)
    samples.push_back(one(model, tokenizer, config, i, stream, memory, on_text));
  return samples;
}

}  // namespace echelon::generate
