#include "src/config/layers.h"

#include <algorithm>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "src/config/interpolate.h"
#include "src/config/scalars.h"
#include "src/config/suggest.h"

namespace echelon::config {

namespace {

constexpr size_t kIncludeDepth = 8;
constexpr int kMaxFiles = 64;

std::string what_is(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a mapping";
    default: return fmt::format("'{}'", text::escaped(node.text));
  }
}

Origin at_value(const std::string& name, const Node& node) {
  return {Origin::From::file, name, node.line, node.column};
}

}  // namespace

void Layers::add_file(const std::filesystem::path& path) {
  const std::string name = text::escaped(path.string());
  if (++files_ > kMaxFiles)
    mistakes_.fatal("C17", fmt::format("{}: found more than {} files by include:, wanted fewer",
                                       name, kMaxFiles));
  std::string content;
  try {
    content = read_file(path, kMaxBytes, ExitCode::config);
  } catch (const Error& e) {
    mistakes_.fatal("C17", e.what());
  }
  check_bytes(content, name, mistakes_);
  const Node root = parse_yaml(content, name, mistakes_);
  open_.push_back(std::filesystem::weakly_canonical(path));
  for (const Node& item : root.items)
    if (item.key == "include") add_include(item, path.parent_path(), name);
  add_map(root, "", name);
  open_.pop_back();
}

void Layers::add_text(std::string_view content, const std::string& name) {
  check_bytes(content, name, mistakes_);
  const Node root = parse_yaml(content, name, mistakes_);
  for (const Node& item : root.items)
    if (item.key == "include")
      mistakes_.fatal("C1",
                      fmt::format("{}:{}:{}: include: found in a text without a folder, wanted "
                                  "only in files",
                                  name, item.key_line, item.key_column));
  add_map(root, "", name);
}

void Layers::add_include(const Node& list, const std::filesystem::path& folder,
                         const std::string& name) {
  if (list.kind != Node::Kind::list) {
    mistakes_.add("C2", fmt::format("{}: include: found {}, wanted a list of files, for example "
                                    "[base.yaml]",
                                    at_value(name, list).place(), what_is(list)));
    return;
  }
  for (const Node& item : list.items) {
    const std::string place = at_value(name, item).place();
    if (item.kind != Node::Kind::scalar || item.text.empty()) {
      mistakes_.add("C2",
                    fmt::format("{}: include: found {}, wanted a file name", place, what_is(item)));
      continue;
    }
    std::string file;
    try {
      file = expand_environment(item.text, allow_env_, environment_);
    } catch (const Refused& e) {
      mistakes_.add(e.id, fmt::format("{}: include: {}", place, e.why));
      continue;
    }
    const std::filesystem::path next = (folder / file).lexically_normal();
    const auto canonical = std::filesystem::weakly_canonical(next);
    if (const auto at = std::find(open_.begin(), open_.end(), canonical); at != open_.end())
      mistakes_.fatal("C15", fmt::format("{}: include: '{}' leads back to itself, wanted no circle",
                                         place, text::escaped(file)));
    if (open_.size() >= kIncludeDepth)
      mistakes_.fatal("C16", fmt::format("{}: include: found more than {} files inside each other",
                                         place, kIncludeDepth));
    std::error_code error;
    if (!std::filesystem::exists(next, error))
      mistakes_.fatal("C17",
                      fmt::format("{}: include: found no file '{}'; paths are relative to the "
                                  "including file",
                                  place, text::escaped(next.string())));
    add_file(next);
  }
}

void Layers::add_map(const Node& map, const std::string& prefix, const std::string& name) {
  for (const Node& item : map.items) {
    if (prefix.empty() && item.key == "include") continue;
    if (item.key.find('.') != std::string::npos) {
      mistakes_.add(
          "C1", fmt::format("{}:{}:{}: unknown key '{}'; names in a file are nested: write "
                            "'{}:' and the rest below it",
                            name, item.key_line, item.key_column, text::escaped(prefix + item.key),
                            text::escaped(item.key.substr(0, item.key.find('.')))));
      continue;
    }
    add_entry(item, prefix + item.key, name);
  }
}

void Layers::add_entry(const Node& node, const std::string& path, const std::string& name) {
  if (settings_.section(path)) {
    if (node.kind == Node::Kind::map) return add_map(node, path + ".", name);
    mistakes_.add("C2", fmt::format("{}: {}: found {}, wanted 'key: value' lines below it",
                                    at_value(name, node).place(), path, what_is(node)));
    return;
  }
  const auto at = std::find_if(settings_.items.begin(), settings_.items.end(),
                               [&](const Setting& s) { return s.key.path == path; });
  if (at == settings_.items.end())
    return unknown({Origin::From::file, name, node.key_line, node.key_column}, path);
  const Origin origin = at_value(name, node);
  if (has_shape(node, *at, origin))
    written_.push_back({static_cast<size_t>(at - settings_.items.begin()), origin, false, node});
}

bool Layers::has_shape(const Node& node, const Setting& setting, const Origin& origin) {
  const bool list = is_list(setting.key.kind);
  const bool reference = node.kind == Node::Kind::scalar && has_reference(node.text);
  if (list ? (node.kind == Node::Kind::list || reference) : node.kind == Node::Kind::scalar)
    return true;
  const bool empty = node.kind == Node::Kind::null;
  mistakes_.add(
      empty ? "C13" : "C2",
      fmt::format("{}: {}: found {}, wanted {}{}", origin.place(), setting.key.path, what_is(node),
                  wanted(setting.key), empty ? "; remove the line for the default" : ""));
  return false;
}

void Layers::unknown(const Origin& origin, const std::string& path) {
  const std::string hint = suggestion(path, settings_);
  mistakes_.add(origin.from == Origin::From::file ? "C1" : "C21",
                fmt::format("{}: unknown key '{}'{}", origin.place(), text::escaped(path),
                            hint.empty() ? "" : "; " + hint));
}

}  // namespace echelon::config
