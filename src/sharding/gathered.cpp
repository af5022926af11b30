#include "echelon/sharding/gathered.h"

namespace echelon::sharding {

/// Acquires the units of a layer, then starts on those of the layer that comes next.
class Gathered::Hold {
 public:
  Hold(const Gathered& layer, const Gathered* next) : layer_(layer) {
    for (const size_t unit : layer_.units_) layer_.weights_.acquire(unit);
    if (!next) return;
    for (const size_t unit : next->units_) layer_.weights_.prefetch(unit);
  }
  ~Hold() {
    for (const size_t unit : layer_.units_) layer_.weights_.release(unit);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  const Gathered& layer_;
};

Gathered::Gathered(std::unique_ptr<nn::Layer> inner, UnitWeights& weights,
                   std::vector<size_t> units)
    : inner_(std::move(inner)), weights_(weights), units_(std::move(units)) {}

void Gathered::neighbours(const Gathered* before, const Gathered* after) {
  before_ = before;
  after_ = after;
}

Tensor Gathered::forward(const Tensor& x, nn::Context& ctx) {
  const Hold hold(*this, after_);
  return inner_->forward(x, ctx);
}

Tensor Gathered::backward(const Tensor& dy, nn::Context& ctx) {
  const Hold hold(*this, before_);
  return inner_->backward(dy, ctx);
}

void gather(nn::GptStage& stage, ParamStore& store) {
  UnitWeights* weights = store.units();
  if (!weights) return;
  const bool shares = stage.model().tie_embeddings && stage.range().embedding && stage.range().head;
  std::vector<Gathered*> layers;
  size_t first = 0;
  for (auto& layer : stage.layers()) {
    std::vector<nn::Parameter*> parameters;
    layer->parameters(parameters);
    std::vector<size_t> units = {weights->add_unit(parameters)};
    if (layers.empty()) first = units[0];
    if (shares && &layer == &stage.layers().back()) units.push_back(first);
    auto wrapped = std::make_unique<Gathered>(std::move(layer), *weights, std::move(units));
    layers.push_back(wrapped.get());
    layer = std::move(wrapped);
  }
  for (size_t i = 0; i < layers.size(); ++i)
    layers[i]->neighbours(i > 0 ? layers[i - 1] : nullptr,
                          i + 1 < layers.size() ? layers[i + 1] : nullptr);
}

}  // namespace echelon::sharding
