// Who this process is, as far as the launcher's environment tells: for messages before MPI is up.
#include <cstdlib>
#include <optional>
#include <string>

#include "echelon/comm/world.h"

namespace echelon::comm {

namespace {

std::optional<int> number(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return std::nullopt;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < 0 || value > 1 << 24) return std::nullopt;
  return static_cast<int>(value);
}

std::optional<LaunchedRank> triple(const char* rank, const char* local, const char* size) {
  const auto r = number(rank);
  if (!r) return std::nullopt;
  return LaunchedRank{*r, number(local).value_or(*r), number(size).value_or(1)};
}

/// Open MPI first: its ranks inside a batch job inherit the batch shell's SLURM_PROCID=0. Slurm's
/// names count only inside a job step.
std::optional<LaunchedRank> from_environment() {
  if (auto r = triple("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE"))
    return r;
  if (number("SLURM_STEP_ID"))
    if (auto r = triple("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")) {
      if (r->size == 1) r->size = number("SLURM_NTASKS").value_or(1);
      return r;
    }
  return triple("PMIX_RANK", "PMIX_RANK", "PMIX_SIZE");
}

}  // namespace

bool started_by_launcher() { return from_environment().has_value(); }
LaunchedRank launched_rank() { return from_environment().value_or(LaunchedRank{}); }

}  // namespace echelon::comm
