#pragma once
// The folder that holds a run's checkpoints: names, finding, pruning. Only plain folders named
// step-######## are ever touched; links are never followed.
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "echelon/checkpoint/config.h"

namespace echelon::checkpoint {

std::string step_name(int64_t step);  ///< "step-00001000"
/// Steps of the published checkpoints in `folder`, ascending; empty when there is no such folder.
std::vector<int64_t> list_steps(const std::filesystem::path& folder);
/// Newest checkpoint whose manifest and shard headers are intact, with a warning for each newer one
/// passed over; an empty path when there is none. For tools; runs use load_newest.
std::filesystem::path find_newest(const std::filesystem::path& folder);

/// Steps to delete. `intact` says which of `steps` (ascending) may count as kept: damaged ones do
/// not, so that pruning can never take the last good checkpoint. Refuses keep_latest < 1 (C22).
std::vector<int64_t> to_delete(std::span<const int64_t> steps, const std::vector<bool>& intact,
                               const Retention& rule);
/// Applies the rule; each checkpoint is renamed to step-N.tmp first. Returns the deleted names.
std::vector<std::string> prune(const std::filesystem::path& folder, const Retention& rule);
/// Removes step-########.tmp folders that a killed save left behind, under the run's lock.
std::vector<std::string> clean_leftovers(const std::filesystem::path& folder);
/// Renames every checkpoint newer than `step` to step-N.left.<n>, so that an abandoned branch is
/// never picked up again. Returns the new names.
std::vector<std::string> set_aside_newer(const std::filesystem::path& folder, int64_t step);

}  // namespace echelon::checkpoint
