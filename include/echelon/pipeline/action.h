#pragma once
// Pipeline schedules are data: lists of actions, printed, validated, simulated, then executed.
#include <string>
#include <vector>

namespace echelon::pipeline {

/// F forward, B backward (= I then W), I input gradient, W weight gradient; transfers of
/// activations (towards later stages) and of their gradients (towards earlier ones).
enum class Kind { F, B, I, W, SendAct, RecvAct, SendGrad, RecvGrad };

/// `stage` counts virtual stages of the whole model, 0 .. ranks*chunks-1; stage s runs on rank
/// s % ranks. A Recv names the stage that receives, a Send the stage that sends.
struct Action {
  Kind kind = Kind::F;
  int stage = 0;
  int micro = 0;
  bool operator==(const Action&) const = default;
};

/// What one rank does in one step, in order.
using Program = std::vector<Action>;

struct PipeShape {
  int ranks = 1;   ///< pipeline-parallel size p
  int chunks = 1;  ///< model chunks per rank v
  int micros = 1;  ///< micro-batches per step m
  int stages() const { return ranks * chunks; }
  int rank_of(int stage) const { return stage % ranks; }
  int chunk_of(int stage) const { return stage / ranks; }
  int stage_of(int rank, int chunk) const { return chunk * ranks + rank; }
};

bool is_compute(Kind kind);
std::string to_string(const Action& action);  ///< "F2.0": stage 2, micro-batch 0
std::string to_string(const Program& program);
/// Reads what to_string wrote; throws Error(config) naming the bad word.
Program parse_program(const std::string& text);

}  // namespace echelon::pipeline
