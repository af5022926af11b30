// Command-line layer: "key.sub=value" and "~key.sub".
#include <algorithm>

#include "echelon/base/text.h"
#include "src/config/interpolate.h"
#include "src/config/layers.h"
#include "src/config/scalars.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

bool is_path(std::string_view s) {
  bool start = true;  // of a part
  for (char c : s) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool inner = (c >= '0' && c <= '9') || c == '-';
    if (c == '.' ? start : !(letter || (inner && !start))) return false;
    start = c == '.';
  }
  return !start;
}

}  // namespace

void Layers::add_overrides(const std::vector<std::string>& overrides) {
  for (size_t i = 0; i < overrides.size(); ++i) {
    if (overrides[i] == "--set") {
      if (i + 1 == overrides.size())
        mistakes_.add("C21", "command line: '--set': found nothing after it, wanted key.sub=value");
      continue;
    }
    add_override(overrides[i].starts_with("--set=") ? overrides[i].substr(6) : overrides[i]);
  }
}

void Layers::add_override(const std::string& option) {
  const Origin origin{Origin::From::command_line, text::escaped(option), 0, 0};
  const auto refuse = [&](std::string_view why) {
    mistakes_.add("C21", fmt::format("{}: {}", origin.place(), why));
  };
  if (option.starts_with('+'))
    return refuse("found '+', wanted key.sub=value; all keys are declared, none can be added");
  const bool reset = option.starts_with('~');
  const size_t equals = option.find('=');
  const std::string path = option.substr(reset, reset ? std::string::npos : equals);
  if (!is_path(path) || (!reset && equals == std::string::npos))
    return refuse(reset ? "wanted ~key.sub without a value" : "wanted key.sub=value");
  if (reset) {
    bool any = false;
    for (size_t i = 0; i < settings_.items.size(); ++i)
      if (const auto& key = settings_.items[i].key.path;
          key == path || key.starts_with(path + ".")) {
        written_.push_back({i, {}, true, {}});
        any = true;
      }
    return any ? void() : unknown(origin, path);
  }
  if (settings_.section(path))
    return refuse(fmt::format("'{}' is a section, wanted one key of it, for example {}.key=value",
                              path, path));
  const auto at = std::find_if(settings_.items.begin(), settings_.items.end(),
                               [&](const Setting& s) { return s.key.path == path; });
  if (at == settings_.items.end()) return unknown(origin, path);
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = option.substr(equals + 1);
  if (is_list(at->key.kind) && !has_reference(node.text)) {
    Node list = parse_flow_value(node.text);
    if (list.kind == Node::Kind::list) node = std::move(list);
  }
  if (has_shape(node, *at, origin))
    written_.push_back({static_cast<size_t>(at - settings_.items.begin()), origin, false, node});
}

}  // namespace echelon::config
