#pragma once
// What an unknown key was probably meant to be.
#include <string>
#include <string_view>

#include "echelon/config/settings.h"

namespace echelon::config {

/// "did you mean 'model.num_layers'?", an explanation, or empty. Order: names of other tools, the
/// same last part elsewhere, fewest edits within max(2, length/4).
std::string suggestion(const std::string& path, const Settings& settings);

}  // namespace echelon::config
