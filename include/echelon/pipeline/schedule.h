#pragma once
#include <memory>
#include <string>
#include <vector>

#include "echelon/pipeline/action.h"

namespace echelon::pipeline {

/// Order of computation on each rank. One file under src/pipeline/schedules and one line in
/// src/pipeline/registry.def add a schedule.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Compute actions (F, B, I, W) of `rank`, in order.
  virtual Program compute(int rank, const PipeShape& shape) const = 0;
  /// Empty when the shape suits the schedule, else what is wrong and what would be right.
  virtual std::string refuses(const PipeShape& shape) const;
};

std::vector<std::string> schedule_names();
/// Throws Error(config) naming the known schedules.
std::unique_ptr<Schedule> make_schedule(const std::string& name);

/// Adds the transfers: each stage's input is received before its F (its gradient before its B or I)
/// and its output sent right after. Nothing is sent between stages of one rank.
Program with_transfers(const Program& compute, const PipeShape& shape);
/// Programs of all ranks with transfers. Throws Error(config, "V03") when the schedule refuses.
std::vector<Program> programs_of(const Schedule& schedule, const PipeShape& shape);

/// Empty when every stage does F then B (or I, W) of every micro-batch exactly once on its rank,
/// and every transfer has its partner in the same order on the other side; else the first fault
/// found.
std::string fault_in(const std::vector<Program>& programs, const PipeShape& shape);

}  // namespace echelon::pipeline
