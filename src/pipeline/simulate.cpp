#include "echelon/pipeline/simulate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "echelon/base/error.h"

namespace echelon::pipeline {

namespace {

/// A message is known by direction, sending stage and micro-batch.
using Message = std::tuple<bool, int, int>;
using Queue = std::tuple<bool, int, int>;  // direction, sending rank, receiving rank

struct Transfer {
  double offered = -1;  ///< when the sender reached its Send
  double posted = -1;   ///< when the receiver reached its Recv
};

class Machine {
 public:
  Machine(const std::vector<Program>& programs, const PipeShape& shape, const StageTimes& times,
          bool rendezvous)
      : programs_(programs),
        shape_(shape),
        times_(times),
        rendezvous_(rendezvous),
        next_(programs.size(), 0),
        clock_(programs.size(), 0.0),
        live_(programs.size(), 0) {
    result_.busy.assign(programs.size(), 0.0);
    result_.peak_stashes.assign(programs.size(), 0);
  }

  Simulated run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t rank = 0; rank < programs_.size(); ++rank)
        while (next_[rank] < programs_[rank].size() && advance(rank)) moved = true;
    }
    for (size_t rank = 0; rank < programs_.size(); ++rank) {
      result_.makespan = std::max(result_.makespan, clock_[rank]);
      if (next_[rank] < programs_[rank].size() && !result_.deadlock) {
        result_.deadlock = true;
        result_.stuck =
            fmt::format("rank {} waits in {}", rank, to_string(programs_[rank][next_[rank]]));
      }
    }
    double busy = 0;
    for (const double b : result_.busy) busy += b;
    if (result_.makespan > 0)
      result_.bubble = 1 - busy / (result_.makespan * static_cast<double>(programs_.size()));
    std::stable_sort(result_.spans.begin(), result_.spans.end(),
                     [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return std::move(result_);
  }

 private:
  /// Executes the next action of `rank`; false when it must wait for another rank.
  bool advance(size_t rank) {
    const Action& a = programs_[rank][next_[rank]];
    if (is_compute(a.kind)) {
      compute(rank, a);
    } else if (a.kind == Kind::SendAct || a.kind == Kind::SendGrad) {
      send(rank, a);
    } else if (!receive(rank, a)) {
      return false;
    }
    ++next_[rank];
    return true;
  }

  void compute(size_t rank, const Action& a) {
    const double duration = a.kind == Kind::F   ? times_.forward
                            : a.kind == Kind::B ? times_.input + times_.weight
                            : a.kind == Kind::I ? times_.input
                                                : times_.weight;
    result_.spans.push_back({static_cast<int>(rank), a, clock_[rank], clock_[rank] + duration});
    clock_[rank] += duration;
    result_.busy[rank] += duration;
    if (a.kind == Kind::F)
      result_.peak_stashes[rank] = std::max(result_.peak_stashes[rank], ++live_[rank]);
    if (a.kind == Kind::B || a.kind == Kind::W) --live_[rank];
  }

  /// Offers the message; the queue's own thread delivers it, the rank goes on.
  void send(size_t rank, const Action& a) {
    transfers_[{a.kind == Kind::SendAct, a.stage, a.micro}].offered = clock_[rank];
  }

  bool receive(size_t rank, const Action& a) {
    const bool forward = a.kind == Kind::RecvAct;
    const int source = forward ? a.stage - 1 : a.stage + 1;
    Transfer& t = transfers_[{forward, source, a.micro}];
    if (t.posted < 0) t.posted = clock_[rank];
    if (t.offered < 0) return false;
    double& free = queue_free_[{forward, shape_.rank_of(source), static_cast<int>(rank)}];
    const double start = std::max({t.offered, rendezvous_ ? t.posted : 0.0, free});
    free = start + times_.transfer;
    clock_[rank] = std::max(clock_[rank], free);
    return true;
  }

  const std::vector<Program>& programs_;
  const PipeShape& shape_;
  const StageTimes& times_;
  bool rendezvous_;
  std::vector<size_t> next_;
  std::vector<double> clock_;
  std::vector<int> live_;
  std::map<Message, Transfer> transfers_;
  std::map<Queue, double> queue_free_;
  Simulated result_;
};

}  // namespace

Simulated simulate(const std::vector<Program>& programs, const PipeShape& shape,
                   const StageTimes& times, bool rendezvous) {
  return Machine(programs, shape, times, rendezvous).run();
}

std::string picture(const Simulated& run, const PipeShape& shape, int width) {
  if (run.makespan <= 0) return "";
  const double scale = width / run.makespan;
  std::vector<std::string> rows(static_cast<size_t>(shape.ranks),
                                std::string(static_cast<size_t>(width), '.'));
  for (const auto& span : run.spans) {
    const auto from = static_cast<int>(std::lround(span.begin * scale));
    const auto to = std::max(from + 1, static_cast<int>(std::lround(span.end * scale)));
    const char digit = static_cast<char>('0' + span.action.micro % 10);
    const char fill = span.action.kind == Kind::F ? digit : span.action.kind == Kind::W ? 'w' : '-';
    for (int x = from; x < std::min(to, width); ++x)
      rows[static_cast<size_t>(span.rank)][static_cast<size_t>(x)] = x == from ? digit : fill;
  }
  std::string text;
  for (size_t rank = 0; rank < rows.size(); ++rank)
    text += fmt::format("rank {:<3}|{}|\n", rank, rows[rank]);
  return text +
         "digits: forward of that micro-batch; digit then -: backward; digit then w: weight "
         "gradient; dots: bubble\n";
}

}  // namespace echelon::pipeline
