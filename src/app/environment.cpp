#include "src/app/environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace echelon::app {

bool waiting_is_settled() {
  return std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr;
}

void settle_waiting(std::string_view command, char** argv) {
  constexpr std::array<std::string_view, 5> kComputing = {"train", "eval", "generate", "verify",
                                                          "bench"};
  if (std::find(kComputing.begin(), kComputing.end(), command) == kComputing.end()) return;
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (waiting_is_settled() || length <= 0) return;
  path[length] = '\0';
  ::setenv("GOMP_SPINCOUNT", kSpinCount, 1);
  ::execv(path, argv);  // returns only where it failed: the threads then wait as they always did
}

}  // namespace echelon::app
