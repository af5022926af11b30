#include "src/trainer/replicas.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

namespace echelon::trainer {

namespace {

/// Every step is a bijection of the state, so that one flipped bit always changes the result.
uint64_t hash(uint64_t state, std::span<const float> values) {
  for (const float value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    state = (state ^ bits) * 0x9E3779B97F4A7C15u;
    state ^= state >> 32;
  }
  return state;
}

struct Hashed {
  const nn::Parameter* parameter;
  int64_t hash;
};

/// Of the whole local tensor, or of what this rank updates when weights are divided (ZeRO 3).
std::vector<Hashed> hashes_of(const Assembly& parts) {
  std::vector<Hashed> all;
  std::map<std::string, uint64_t> pieces;
  for (const auto& slice : parts.optimizer->slices())
    pieces[slice.name] = hash(pieces[slice.name], slice.master.span<float>());
  for (const nn::Parameter* p : parts.parameters()) {
    const uint64_t h = p->value.defined() && p->value.dtype() == DType::f32
                           ? hash(1, p->value.span<float>())
                           : pieces[p->name];
    all.push_back({p, static_cast<int64_t>(h)});
  }
  return all;
}

/// The members of a group whose hash is not that of the most (of the lowest rank, where none is).
std::vector<int> odd_ones(const std::vector<int64_t>& hashes) {
  const auto votes = [&](int64_t h) { return std::count(hashes.begin(), hashes.end(), h); };
  int64_t common = hashes[0];
  for (const int64_t h : hashes)
    if (votes(h) > votes(common)) common = h;
  std::vector<int> odd;
  for (size_t i = 0; i < hashes.size(); ++i)
    if (hashes[i] != common) odd.push_back(static_cast<int>(i));
  return odd;
}

class Comparison {
 public:
  Comparison(const Assembly& parts, int64_t step) : mesh_(*parts.mesh), step_(step) {}

  /// `coords_of_member`: where the group's rank r sits.
  void over(comm::Communicator& group, const std::vector<Hashed>& mine, const char* id,
            const std::function<parallel::Coords(int)>& coords_of_member) {
    const auto ranks = static_cast<size_t>(group.size());
    if (ranks == 1 || mine.empty()) return;
    std::vector<int64_t> all(mine.size() * ranks, 0);
    for (size_t i = 0; i < mine.size(); ++i)
      all[i * ranks + static_cast<size_t>(group.rank())] = mine[i].hash;
    all = comm::all_reduce(group, std::move(all), comm::ReduceOp::sum);
    for (size_t i = 0; i < mine.size() && found_.empty(); ++i) {
      const auto at = all.begin() + static_cast<std::ptrdiff_t>(i * ranks);
      const auto odd = odd_ones({at, at + group.size()});
      if (odd.empty()) continue;
      std::vector<std::string> names;
      for (const int member : odd) {
        const auto coords = coords_of_member(member);
        names.push_back(fmt::format("rank {} ({})", parallel::rank_of(coords, mesh_.degrees()),
                                    to_string(coords)));
      }
      found_ = fmt::format(
          "{}{}: step {}: found other bits on {} than on the other {} of its {} replicas, wanted "
          "the "
          "same; nothing was saved since; start again from the last checkpoint and look at the "
          "memory of that machine",
          id, mine[i].parameter->name, step_, fmt::join(names, ", "), ranks - odd.size(), ranks);
    }
  }

  /// Everybody throws what the highest rank that found something says.
  void agree() {
    const auto here = static_cast<int64_t>(mesh_.world().rank());
    const auto finder = comm::all_reduce(
        mesh_.world(), std::vector<int64_t>{found_.empty() ? -1 : here}, comm::ReduceOp::max)[0];
    if (finder < 0) return;
    const auto text = comm::broadcast(mesh_.world(), found_, static_cast<int>(finder));
    throw Error(ExitCode::diverged, text.substr(0, 2), text.substr(2));
  }

 private:
  const parallel::Mesh& mesh_;
  int64_t step_;
  std::string found_;  // id of two letters, then the message
};

}  // namespace

void check_replicas(const Assembly& parts, int64_t step) {
  const auto& mesh = *parts.mesh;
  const auto& here = mesh.here();
  const auto all = hashes_of(parts);
  std::vector<Hashed> whole, not_split, tied;
  for (const Hashed& h : all) {
    if (h.parameter->value.defined()) whole.push_back(h);
    if (h.parameter->shard.tp == parallel::TpSplit::replicated) not_split.push_back(h);
    if (h.parameter->shard.tied_copy || h.parameter->name == "embed.weight") tied.push_back(h);
  }
  Comparison compare(parts, step);
  compare.over(mesh.grad(), whole, "M7", [&](int r) {
    const int cp = mesh.degrees().cp;
    return parallel::Coords{here.tp, r % cp, r / cp, here.pp};
  });
  compare.over(mesh.on(parallel::Axis::tp), not_split, "M8", [&](int r) {
    return parallel::Coords{r, here.cp, here.dp, here.pp};
  });
  if (mesh.embedding() && parts.chunks.front()->model().tie_embeddings)
    compare.over(*mesh.embedding(), tied, "M8", [&](int r) {
      return parallel::Coords{here.tp, here.cp, here.dp, r == 0 ? 0 : mesh.degrees().pp - 1};
    });
  compare.agree();
}

}  // namespace echelon::trainer
