#include "echelon/nn/gpt_stage.h"

namespace echelon::nn {

namespace {
void reject(const ModelConfig& model, const TensorParallel& tp) {
  const auto issues = validate(model, tp.size(), tp.sequence_parallel);
  if (issues.empty()) return;
  const ConfigIssue& i = issues.front();
  fail(ExitCode::config, i.id, "{}: found {}, wanted {}; nothing was started; {}", i.key, i.found,
       i.wanted, i.advice);
}
}  // namespace

GptStage::GptStage(const ModelConfig& model, const StageRange& range, comm::Communicator& tp,
                   bool sequence_parallel)
    : model_(model), range_(range), tp_{&tp, sequence_parallel} {
  reject(model_, tp_);
  int64_t number = 0;
  const Site site{model_, tp_, number, ""};
  VocabEmbedding* embedding = nullptr;
  if (range.embedding) {
    auto layer = std::make_unique<VocabEmbedding>(site);
    embedding = layer.get();
    layers_.push_back(std::move(layer));
  }
  number = embedding_tensors(model_) + range.first_layer * block_tensors(model_);
  for (int64_t l = range.first_layer; l < range.last_layer; ++l)
    layers_.push_back(std::make_unique<Block>(site, l));
  ECH_CHECK(number == embedding_tensors(model_) + range.last_layer * block_tensors(model_),
            "parameter numbers of blocks do not add up: {}", number);
  if (range.head)
    layers_.push_back(std::make_unique<LmHead>(site, model_.tie_embeddings ? embedding : nullptr));
}

Tensor GptStage::forward(const Tensor& input, Context& ctx) {
  Tensor x = input;
  for (auto& layer : layers_) x = layer->forward(x, ctx);
  return x;
}

Tensor GptStage::backward(const Tensor& dy, Context& ctx) {
  Tensor d = dy;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
    d = (*layer)->backward(d, ctx);
  return d;
}

std::vector<Parameter*> GptStage::parameters() {
  std::vector<Parameter*> all;
  for (auto& layer : layers_) layer->parameters(all);
  return all;
}

Cost GptStage::cost(int64_t rows, int64_t tokens, DType dtype) const {
  Cost c;
  for (const auto& layer : layers_) c += layer->cost(rows, tokens, dtype);
  return c;
}

Shape GptStage::activation_shape(int64_t sequences, int64_t tokens) const {
  const int64_t rows = sequences * tokens;
  return {tp_.rows_split() ? rows / tp_.size() : rows, model_.hidden_size};
}

}  // namespace echelon::nn
