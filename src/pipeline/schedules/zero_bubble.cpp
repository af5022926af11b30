#include <algorithm>
#include <limits>

#include "echelon/base/error.h"
#include "src/pipeline/schedules/schedules.h"

namespace echelon::pipeline {

namespace {

/// Greedy list scheduling with unit times for F, I and W: an input gradient as soon as it can run,
/// else a forward while fewer than p micro-batches are held, else a pending weight gradient.
class Greedy {
 public:
  explicit Greedy(const PipeShape& shape)
      : shape_(shape), ranks_(static_cast<size_t>(shape.ranks)) {}

  std::vector<Program> run() {
    for (int time = 0; !finished(); ++time)
      for (size_t rank = 0; rank < ranks_.size(); ++rank) advance(rank, time);
    std::vector<Program> programs;
    for (auto& r : ranks_) programs.push_back(std::move(r.program));
    return programs;
  }

 private:
  struct Rank {
    int forward = 0, input = 0, weight = 0;   // done so far
    std::vector<int> forward_end, input_end;  // by micro-batch
    Program program;
  };

  bool finished() const {
    return std::all_of(ranks_.begin(), ranks_.end(),
                       [&](const Rank& r) { return r.weight == shape_.micros; });
  }

  /// Whether micro-batch `micro` of the neighbour's list is done by `time`.
  static bool done_by(const std::vector<int>& ends, int micro, int time) {
    return micro < static_cast<int>(ends.size()) && ends[static_cast<size_t>(micro)] <= time;
  }

  void advance(size_t rank, int time) {
    Rank& r = ranks_[rank];
    const int stage = static_cast<int>(rank);
    const bool last = rank + 1 == ranks_.size();
    const bool can_input = r.input < shape_.micros && done_by(r.forward_end, r.input, time) &&
                           (last || done_by(ranks_[rank + 1].input_end, r.input, time));
    const bool can_forward = r.forward < shape_.micros && r.forward - r.weight < shape_.ranks &&
                             (rank == 0 || done_by(ranks_[rank - 1].forward_end, r.forward, time));
    if (can_input) {
      r.program.push_back({Kind::I, stage, r.input++});
      r.input_end.push_back(time + 1);
    } else if (can_forward) {
      r.program.push_back({Kind::F, stage, r.forward++});
      r.forward_end.push_back(time + 1);
    } else if (r.weight < r.input) {
      r.program.push_back({Kind::W, stage, r.weight++});
    }
  }

  PipeShape shape_;
  std::vector<Rank> ranks_;
};

}  // namespace

std::string ZeroBubble::refuses(const PipeShape& shape) const {
  if (shape.chunks == 1) return "";
  return fmt::format("zero_bubble runs one chunk per rank, found {}", shape.chunks);
}

Program ZeroBubble::compute(int rank, const PipeShape& shape) const {
  return Greedy(shape).run()[static_cast<size_t>(rank)];
}

}  // namespace echelon::pipeline
