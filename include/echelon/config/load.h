#pragma once
// Reading a configuration: defaults < include files < the file < command-line overrides.
//
//   config::Settings settings;
//   auto run = config::load<RunConfig>({.file = "run.yaml", .overrides = {"train.lr=1e-3"}},
//   &settings);
//
// Every mistake found (up to 20) goes into one Error(ExitCode::config, "C..."), one per line:
//   run.yaml:3:5: unknown key 'model.num_layer'; did you mean 'model.num_layers'?
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/config/settings.h"

namespace echelon::config {

struct Sources {
  std::optional<std::filesystem::path> file;
  /// "key.sub=value" and "~key.sub" in order; each may follow "--set" or be "--set=...".
  std::vector<std::string> overrides;
  /// False: ${env:NAME} is refused (configuration files from others).
  bool allow_env = true;
};

/// Fills values and origins of listed settings. Throws one Error(config) with all mistakes.
void resolve(Settings& settings, const Sources& sources);
/// The same from text already in memory; `name` stands for the file name in messages and
/// include: is refused.
void resolve_text(Settings& settings, std::string_view text, std::string_view name,
                  const std::vector<std::string>& overrides = {}, bool allow_env = true);

template <class Config>
Settings settings_of(const Config& config) {
  Config copy = config;
  return list_settings([&](Fields& f) { copy.fields(f); });
}

/// The struct and, on request, the settings it came from.
template <class Config>
Config load(const Sources& sources, Settings* settings = nullptr) {
  Config config{};
  const FieldList fields = [&](Fields& f) { config.fields(f); };
  Settings all = list_settings(fields);
  resolve(all, sources);
  assign(all, fields);
  if (settings) *settings = std::move(all);
  return config;
}

/// Reads text, for example the resolved text (`resolved_yaml`) that rank 0 sent to this rank.
template <class Config>
Config load_text(std::string_view text, std::string_view name, Settings* settings = nullptr,
                 const std::vector<std::string>& overrides = {}, bool allow_env = true) {
  Config config{};
  const FieldList fields = [&](Fields& f) { config.fields(f); };
  Settings all = list_settings(fields);
  resolve_text(all, text, name, overrides, allow_env);
  assign(all, fields);
  if (settings) *settings = std::move(all);
  return config;
}

}  // namespace echelon::config
