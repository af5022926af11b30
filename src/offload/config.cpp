#include "echelon/offload/config.h"

#include <array>

#include "echelon/base/error.h"

namespace echelon::offload {

void OffloadConfig::fields(config::Fields& f) {
  constexpr std::array<std::string_view, 3> kPlaces = {"none", "memory", "file"};
  f.on_resume(config::OnResume::may_change);
  f.choice("activations", activations, kPlaces,
           "Where stashed activations wait for backward: with the rest, in a memory pool of the "
           "host, or in a file of each rank below `path`.");
  f.path("path", path, "Existing folder for activations: file; a disk of this host is best.");
  f.size("min_bytes", min_bytes, {0}, "Smaller tensors stay.");
  f.on_resume(config::OnResume::must_match);
}

void check(const OffloadConfig& config) {
  if (config.activations != Place::file || !config.path.empty()) return;
  fail(ExitCode::config, "V29",
       "offload.path: found nothing, wanted an existing folder with offload.activations: file; "
       "nothing was started; set offload.path: /tmp, for example");
}

}  // namespace echelon::offload
