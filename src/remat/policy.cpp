#include <algorithm>

#include "echelon/remat/rematerialized.h"

namespace echelon::remat {

namespace {

using Layers = std::vector<std::unique_ptr<nn::Layer>>;

void selective(Layers& blocks, const RecomputeConfig& config, const InputElements& input) {
  const auto chosen = [&](const char* module) {
    return std::find(config.modules.begin(), config.modules.end(), module) != config.modules.end();
  };
  for (auto& layer : blocks) {
    auto* block = dynamic_cast<nn::Block*>(layer.get());
    ECH_CHECK(block, "selective recomputation of a layer that is no block");
    if (chosen("core_attn")) {
      auto& core = block->attention().core();
      core = std::make_unique<RematerializedCore>(std::move(core), block->attention().heads());
    }
    if (chosen("mlp")) {
      Layers mlp;
      mlp.push_back(std::move(block->mlp()));
      block->mlp() = std::make_unique<Rematerialized>(std::move(mlp), input);
    }
  }
}

/// Groups of `size` neighbours from the first `count` blocks.
void full(Layers& blocks, size_t count, size_t size, const InputElements& input) {
  Layers out;
  for (size_t from = 0; from < count; from += size) {
    Layers group;
    for (size_t i = from; i < std::min(from + size, count); ++i)
      group.push_back(std::move(blocks[i]));
    out.push_back(std::make_unique<Rematerialized>(std::move(group), input));
  }
  for (size_t i = count; i < blocks.size(); ++i) out.push_back(std::move(blocks[i]));
  blocks = std::move(out);
}

}  // namespace

void rematerialize(nn::GptStage& stage, const RecomputeConfig& config) {
  check(config);
  if (config.granularity == Granularity::none) return;
  Layers& all = stage.layers();
  const auto first = all.begin() + (stage.range().embedding ? 1 : 0);
  const auto last = all.end() - (stage.range().head ? 1 : 0);
  Layers blocks(std::make_move_iterator(first), std::make_move_iterator(last));
  const auto at = all.erase(first, last);
  const InputElements input = [&stage](int64_t rows) {
    return stage.activation_shape(1, rows).elements();
  };
  const auto layers = static_cast<size_t>(config.num_layers);
  if (config.granularity == Granularity::selective)
    selective(blocks, config, input);
  else if (config.method == Method::uniform)
    full(blocks, blocks.size(), layers, input);
  else
    full(blocks, std::min(layers, blocks.size()), 1, input);
  all.insert(at, std::make_move_iterator(blocks.begin()), std::make_move_iterator(blocks.end()));
}

}  // namespace echelon::remat
