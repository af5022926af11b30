#pragma once
#include <string_view>

namespace echelon::app {

/// Turns of its loop that an OpenMP thread waits before it sleeps. The library's own 300000 take
/// the processor from whoever works, where ranks or other programs share the cores.
inline constexpr const char* kSpinCount = "20000";

/// Whether the user said how OpenMP threads wait (GOMP_SPINCOUNT, OMP_WAIT_POLICY).
bool waiting_is_settled();

/// Where the command computes and the user did not say how its threads wait: sets GOMP_SPINCOUNT
/// and starts this program anew in this process, for the library reads it while it is loaded.
void settle_waiting(std::string_view command, char** argv);

}  // namespace echelon::app
