#pragma once
// Writing settings: resolved file, documentation, JSON schema, comparison, digests.
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "echelon/config/settings.h"

namespace echelon::config {

/// The whole configuration as YAML. With origins each line ends in "# default", "# run.yaml:12" or
/// "# command line", and the environment variables used are listed on top. Reading the result
/// gives the same values.
std::string resolved_yaml(const Settings& settings, bool origins = true);

/// "key = value" lines sorted by key, values in normal form; what the digests are made of.
std::string canonical(const Settings& settings, bool only_must_match = false);
/// SHA-256 (64 hex digits) of `canonical`: everything, or what must match when a run resumes.
std::string digest(const Settings& settings);
std::string resume_digest(const Settings& settings);

/// Type, unit, default, range and meaning of one key, or of a section and its keys. Throws
/// Error(config, C1) with a suggestion for a name that does not exist.
std::string help(const Settings& settings, std::string_view name);
/// One line per key, for help without a name.
std::string help_all(const Settings& settings);
/// Reference page: one table per section.
std::string markdown(const Settings& settings);

/// JSON Schema draft-07 of configuration files; accepts whatever the reader accepts.
nlohmann::ordered_json json_schema(const Settings& settings);

/// Differing keys only, one "key: a -> b" line each, sorted as declared; empty when equal. Both
/// sides list the same struct.
std::string diff(const Settings& a, const Settings& b, bool only_must_match = false);

}  // namespace echelon::config
