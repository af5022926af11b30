#include "echelon/nn/site.h"

#include <algorithm>

namespace echelon::nn {

using parallel::LogicalPart;
using parallel::TpSplit;

Parameter Site::replicated(const std::string& name, Use use, const Shape& shape,
                           bool sees_part) const {
  Parameter p;
  p.name = prefix + name;
  p.role = shape.rank() >= 2 ? Role::matrix : Role::vector;
  p.use = use;
  p.shape = shape;
  p.shard.number = number++;
  p.shard.fused_columns = shape.rank() >= 2 ? shape[1] : 1;
  p.shard.partial_under_sp = sees_part && tp.rows_split();
  LogicalPart part{.name = p.name, .whole = shape, .box = {}, .local_row = 0, .fused_row = 0};
  part.box.offset.assign(shape.rank(), 0);
  part.box.size.assign(shape.begin(), shape.end());
  p.shard.parts.push_back(std::move(part));
  return p;
}

Parameter Site::row_split(const std::string& name, Use use, const std::vector<FusedPart>& parts,
                          const std::string& suffix, int64_t columns) const {
  Parameter p;
  p.name = prefix + name + suffix;
  p.role = columns ? Role::matrix : Role::vector;
  p.use = use;
  p.shard.tp = TpSplit::rows;
  p.shard.number = number++;
  p.shard.fused_columns = columns ? columns : 1;
  int64_t local = 0, fused = 0;
  for (const FusedPart& part : parts) {
    ECH_CHECK(part.rows % tp.size() == 0, "{}{}: {} rows over {} ranks", prefix, part.name,
              part.rows, tp.size());
    const int64_t own = part.rows / tp.size();
    LogicalPart logical{.name = prefix + part.name + suffix,
                        .whole = {part.rows},
                        .box = {{own * tp.rank()}, {own}},
                        .local_row = local,
                        .fused_row = fused};
    if (columns) {
      logical.whole.append(columns);
      logical.box.offset.push_back(0);
      logical.box.size.push_back(columns);
    }
    p.shard.parts.push_back(std::move(logical));
    local += own;
    fused += part.rows;
  }
  p.shape = columns ? Shape{local, columns} : Shape{local};
  return p;
}

Parameter Site::column_split(const std::string& name, Use use, int64_t rows,
                             int64_t columns) const {
  ECH_CHECK(columns % tp.size() == 0, "{}{}: {} columns over {} ranks", prefix, name, columns,
            tp.size());
  const int64_t own = columns / tp.size();
  Parameter p;
  p.name = prefix + name;
  p.use = use;
  p.shape = {rows, own};
  p.shard.tp = TpSplit::columns;
  p.shard.number = number++;
  p.shard.fused_columns = columns;
  p.shard.parts.push_back({.name = p.name,
                           .whole = {rows, columns},
                           .box = {{0, own * tp.rank()}, {rows, own}},
                           .local_row = 0,
                           .fused_row = 0});
  return p;
}

Parameter Site::vocabulary_split(const std::string& name, Use use) const {
  const int64_t h = model.hidden_size, vocab = model.vocab_size;
  const int64_t own = model.padded_vocab(tp.size()) / tp.size();
  const int64_t first = std::min(own * tp.rank(), vocab);
  Parameter p;
  p.name = prefix + name;
  p.use = use;
  p.shape = {own, h};
  p.shard.tp = TpSplit::rows;
  p.shard.number = number++;
  p.shard.fused_columns = h;
  p.shard.parts.push_back({.name = p.name,
                           .whole = {vocab, h},
                           .box = {{first, 0}, {std::min(own, vocab - first), h}},
                           .local_row = 0,
                           .fused_row = 0});
  return p;
}

int64_t embedding_tensors(const ModelConfig& model) {
  return model.position_embedding_type == Positions::learned ? 2 : 1;
}

int64_t block_tensors(const ModelConfig& model) {
  return 2 * (model.norm_bias() ? 2 : 1) + 4 * (model.add_bias_linear ? 2 : 1);
}

}  // namespace echelon::nn
