#pragma once
// A toy model spread over thread ranks: tensor-parallel splits of matrices, replicated vectors and
// a ZeRO range of an optimizer state, as the trainer does it.
#include <algorithm>
#include <string>
#include <vector>

#include "echelon/checkpoint/checkpoint.h"

namespace echelon::test {

struct ToyTensor {
  std::string name;
  Shape whole;
  int split = -1;  ///< dimension divided over the ranks; -1: replicated
};

inline const std::vector<ToyTensor>& toy_model() {
  static const std::vector<ToyTensor> kModel = {
      {"embed", {10, 6}, 0}, {"h.0.q.weight", {8, 6}, 0}, {"h.0.o.weight", {6, 9}, 1},
      {"h.0.norm", {6}, -1}, {"h.0.cube", {2, 5, 3}, 1},  {"scale", {}, -1}};
  return kModel;
}

/// Value of element `i` of a tensor: exact in every type, different in every tensor and section.
inline float toy_value(const std::string& name, int64_t i) {
  uint32_t h = 17;
  for (const char c : name) h = h * 31 + static_cast<uint32_t>(c);
  return static_cast<float>(h % 64) + static_cast<float>(i) / 128.0f;
}

inline void even(int64_t n, int parts, int index, int64_t& from, int64_t& count) {
  const checkpoint::Box part = checkpoint::part_of({{0}, {n}}, index, parts);
  from = part.offset[0];
  count = part.size[0];
}

/// Pieces of `rank` of `ranks` with undefined contents: weights by tensor parallelism, moments as
/// ZeRO ranges of the flat model.
inline std::vector<checkpoint::Piece> toy_pieces(int rank, int ranks, Allocator& memory,
                                                 DType dtype = DType::f32) {
  std::vector<checkpoint::Piece> pieces;
  const auto add = [&](std::string name, const Shape& whole, const checkpoint::Box& box, DType type,
                       bool owned) {
    Shape shape;
    for (const int64_t n : box.size) shape.append(n);
    pieces.push_back({std::move(name), whole, box, Tensor::empty(shape, type, memory), owned});
  };
  int64_t total = 0, at = 0;
  for (const ToyTensor& t : toy_model()) {
    checkpoint::Box box = checkpoint::whole_box(t.whole);
    if (t.split >= 0) {
      const auto d = static_cast<size_t>(t.split);
      even(t.whole[t.split], ranks, rank, box.offset[d], box.size[d]);
    }
    add("model/" + t.name, t.whole, box, dtype, t.split >= 0 || rank == 0);
    total += t.whole.elements();
  }
  int64_t from = 0, count = 0;
  even(total, ranks, rank, from, count);
  for (const ToyTensor& t : toy_model()) {
    const int64_t n = t.whole.elements();
    const int64_t a = std::clamp<int64_t>(from - at, 0, n),
                  b = std::clamp<int64_t>(from + count - at, 0, n);
    for (const auto& box : checkpoint::flat_to_boxes(checkpoint::whole_box(t.whole), a, b))
      add("optim.exp_avg/" + t.name, t.whole, box, DType::f32, true);
    at += n;
  }
  return pieces;
}

/// Writes (or checks) the toy values of every element; the number of wrong ones.
inline int64_t toy_walk(std::vector<checkpoint::Piece>& pieces, bool fill, float shift = 0) {
  int64_t wrong = 0;
  for (auto& piece : pieces) {
    const auto runs = checkpoint::runs(checkpoint::whole_box(piece.whole), piece.box);
    int64_t k = 0;
    for (const auto& run : runs)
      for (int64_t i = run.start; i < run.start + run.count; ++i, ++k) {
        const float value = toy_value(piece.name, i) + shift;
        const bool wide = piece.data.dtype() == DType::f32;
        if (fill && wide) piece.data.data<float>()[k] = value;
        if (fill && !wide) piece.data.data<bf16>()[k] = bf16(value);
        const float found = wide ? piece.data.data<float>()[k] : float(piece.data.data<bf16>()[k]);
        wrong += found != (wide ? value : float(bf16(value)));
      }
  }
  return wrong;
}

}  // namespace echelon::test
