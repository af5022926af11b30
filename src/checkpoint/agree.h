#pragma once
// Ranks agree on success or on one failure, so that all of them leave a save or a load the same
// way.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "echelon/comm/communicator.h"

namespace echelon::checkpoint {

struct Failure {
  ExitCode code = ExitCode::internal;
  std::string id, message;
};

/// Runs `work`, which must not communicate, and returns what it threw.
std::optional<Failure> attempt(const std::function<void()>& work);
/// Collective: the failure of the lowest rank that has one, the same on every rank.
std::optional<Failure> first_failure(comm::Communicator& world, const std::optional<Failure>& mine);
/// Collective: every rank's text on rank 0, nothing elsewhere.
std::vector<std::string> gather_texts(comm::Communicator& world, const std::string& text);

}  // namespace echelon::checkpoint
