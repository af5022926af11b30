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

/// What both kinds of pieces need to know of the assembly.
class Owners {
 public:
  explicit Owners(Assembly& parts)
      : slices_(parts.optimizer->slices()),
        replicated_(parts.replicated_state),
        grad_(parts.mesh->grad()) {
    for (const nn::Parameter* parameter : parts.parameters()) by_name_[parameter->name] = parameter;
  }
  const nn::Parameter& parameter(size_t slice) const { return *by_name_.at(slices_[slice].name); }
  const optim::Slice& slice(size_t i) const { return slices_[i]; }
  size_t count() const { return slices_.size(); }
  /// Data-parallel replicas divide the writing: every grad.size()-th slice is this rank's.
  bool owned(size_t i) const {
    if (!slices_[i].counted) return false;
    return !replicated_ || static_cast<int>(i % static_cast<size_t>(grad_.size())) == grad_.rank();
  }

 private:
  std::map<std::string, const nn::Parameter*> by_name_;
  const std::vector<optim::Slice>& slices_;
  bool replicated_;
  const comm::Communicator& grad_;
};

}  // namespace

std::vector<checkpoint::Piece> pieces_of(Assembly& parts, const std::string& section,
                                         const std::function<Tensor(size_t slice)>& data) {
  const Owners owners(parts);
  std::vector<checkpoint::Piece> pieces;
  for (size_t i = 0; i < owners.count(); ++i)
    append(pieces, section, owners.parameter(i), owners.slice(i), data(i), owners.owned(i));
  return pieces;
}

std::vector<checkpoint::Piece> pieces_of(Assembly& parts, bool optimizer_state) {
  const Owners owners(parts);
  auto pieces = pieces_of(parts, "model/", [&](size_t i) { return owners.slice(i).master; });
  if (optimizer_state)
    parts.optimizer->state([&](const std::string& name, size_t i, Tensor& tensor) {
      append(pieces, "optim." + name + "/", owners.parameter(i), owners.slice(i), tensor.flat(),
             owners.owned(i));
    });
  return pieces;
}

}  // namespace echelon::trainer
