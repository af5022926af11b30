#pragma once
#include <string>
#include <vector>

#include "echelon/pipeline/action.h"

namespace echelon::pipeline {

/// Durations of one chunk's work, in any unit. B takes input + weight.
struct StageTimes {
  double forward = 1, input = 1, weight = 1;
  double transfer = 0;  ///< from one rank to the next
};

struct Simulated {
  bool deadlock = false;
  std::string stuck;  ///< which rank waits for what, when deadlocked
  double makespan = 0;
  std::vector<double> busy;  ///< compute time per rank
  double bubble = 0;         ///< 1 - busy / makespan, mean over ranks
  std::vector<int>
      peak_stashes;  ///< most micro-batch chunks per rank whose F ran and whose B (or W) did not
  struct Span {
    int rank;
    Action action;
    double begin, end;
  };
  std::vector<Span> spans;  ///< compute only, by start time
};

/// Runs the programs as the executor does: computation in program order, each direction of
/// transfers between two ranks a queue of its own. `rendezvous`: a send ends only after its receive
/// is posted, and a rank's next send in that queue waits for it.
Simulated simulate(const std::vector<Program>& programs, const PipeShape& shape,
                   const StageTimes& times, bool rendezvous = true);

/// One line per rank, time from left to right, digits are micro-batches (lower case: backward).
std::string picture(const Simulated& run, const PipeShape& shape, int width = 100);

}  // namespace echelon::pipeline
