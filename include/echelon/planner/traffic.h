#pragma once
// What one rank communicates in one training step: calls counted by kind and size, in the terms of
// the communication log. Formulas: docs/howto/communication-log.md.
#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "echelon/planner/job.h"

namespace echelon::planner {

struct Call {
  std::string op, group;
  int group_size = 1;
  DType dtype = DType::f32;
  int64_t elements = 0;  ///< payload: input of a reduce-scatter, output of an all-gather
  auto operator<=>(const Call&) const = default;
};
using Traffic = std::map<Call, int64_t>;  ///< calls

/// Weights and activations in f32. For a step that is not skipped.
Traffic step_traffic(const Job& job, const parallel::Degrees& degrees,
                     const parallel::Coords& coords);
/// Payload; sends and receives both.
int64_t bytes_of(const Traffic& traffic);
/// Calls and bytes by op and group.
std::string to_text(const Traffic& traffic);

}  // namespace echelon::planner
