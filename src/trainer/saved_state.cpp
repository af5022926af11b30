#include "src/trainer/saved_state.h"

#include <map>

namespace echelon::trainer {

namespace {

/// Appends the logical pieces of elements [slice.from, slice.to) of a parameter, stored in `data`.
void append(std::vector<checkpoint::Piece>& pieces, const std::string& section,
            const nn::Parameter& parameter, const optim::Slice& slice, const Tensor& data,
            bool owned) {
  const int64_t columns = parameter.shape.rank() > 1 ? parameter.shape[1] : 1;
  for (const auto& part : parameter.shard.parts) {
    const int64_t begin = part.local_row * columns;
    const int64_t end = begin + checkpoint::volume(part.box);
    const int64_t from = std::max(begin, slice.from), to = std::min(end, slice.to);
    if (from >= to) continue;
    int64_t at = from;
    for (const auto& box : checkpoint::flat_to_boxes(part.box, from - begin, to - begin)) {
      const int64_t count = checkpoint::volume(box);
      pieces.push_back({section + part.name, part.whole, box,
                        data.flat(at - slice.from, at - slice.from + count), owned});
      at += count;
    }
  }
}

}  // namespace

std::vector<checkpoint::Piece> pieces_of(Assembly& parts, bool optimizer_state) {
  std::map<std::string, const nn::Parameter*> by_name;
  for (const nn::Parameter* parameter : parts.parameters()) by_name[parameter->name] = parameter;
  const auto& slices = parts.optimizer->slices();
  const auto& grad = parts.mesh->grad();
  // Data-parallel replicas divide the writing: every grad.size()-th slice is this rank's.
  const auto owned = [&](size_t i) {
    if (!slices[i].counted) return false;
    return !parts.replicated_state ||
           static_cast<int>(i % static_cast<size_t>(grad.size())) == grad.rank();
  };
  std::vector<checkpoint::Piece> pieces;
  for (size_t i = 0; i < slices.size(); ++i)
    append(pieces, "model/", *by_name.at(slices[i].name), slices[i], slices[i].master, owned(i));
  if (optimizer_state)
    parts.optimizer->state([&](const std::string& name, size_t i, Tensor& tensor) {
      append(pieces, "optim." + name + "/", *by_name.at(slices[i].name), slices[i], tensor.flat(),
             owned(i));
    });
  return pieces;
}

}  // namespace echelon::trainer
