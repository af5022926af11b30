// JSON Schema draft-07 for editors. It may accept more than the reader (number spellings), never
// less.
#include <limits>
#include <nlohmann/json.hpp>

#include "echelon/config/tools.h"
#include "src/config/scalars.h"

namespace echelon::config {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kReference = R"(\$\{)";
#define ECH_DECIMAL R"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"
constexpr const char* kSizePattern =
    "^(?:" ECH_DECIMAL R"( ?(?:B|[kKMGT]B|[KMGT]iB)|0|[1-9][0-9]*)$|\$\{)";
constexpr const char* kCountPattern = "^" ECH_DECIMAL R"( ?[KMBT]?$|\$\{)";
constexpr const char* kDurationPattern = "^(?:" ECH_DECIMAL R"( ?(?:ms|s|min|m|h|d) ?)+$|\$\{)";
#undef ECH_DECIMAL

Json or_reference(Json type) {
  return {{"anyOf", Json::array({std::move(type), {{"type", "string"}, {"pattern", kReference}}})}};
}

Json with_range(Json type, const Key& key) {
  const Kind kind = element_kind(key.kind);
  if (kind == Kind::real) {
    using L = std::numeric_limits<double>;
    if (key.reals.least != L::lowest()) type["minimum"] = key.reals.least;
    if (key.reals.most != L::max()) type["maximum"] = key.reals.most;
  } else {
    using L = std::numeric_limits<int64_t>;
    if (key.ints.least != L::min()) type["minimum"] = key.ints.least;
    if (key.ints.most != L::max()) type["maximum"] = key.ints.most;
  }
  return type;
}

Json element(const Key& key) {
  switch (element_kind(key.kind)) {
    case Kind::boolean: return or_reference({{"type", "boolean"}});
    case Kind::integer: return or_reference(with_range({{"type", "integer"}}, key));
    case Kind::real: return or_reference(with_range({{"type", "number"}}, key));
    case Kind::size:
      return with_range({{"type", {"integer", "string"}}, {"pattern", kSizePattern}}, key);
    case Kind::count:
      return with_range({{"type", {"integer", "string"}}, {"pattern", kCountPattern}}, key);
    case Kind::duration: return {{"type", "string"}, {"pattern", kDurationPattern}};
    case Kind::word: return or_reference({{"enum", key.words}});
    // Plain YAML like 12 or true is text for a text key.
    default: return {{"type", {"string", "number", "boolean"}}};
  }
}

Json default_value(const Key& key) {
  if (key.kind == Kind::size || key.kind == Kind::count) return std::get<int64_t>(key.fallback);
  if (key.kind == Kind::duration) return spelled(key.fallback, key.kind);
  return std::visit([](const auto& v) -> Json { return v; }, key.fallback);
}

Json key_schema(const Key& key) {
  Json type = element(key);
  if (is_list(key.kind)) type = or_reference({{"type", "array"}, {"items", std::move(type)}});
  type["description"] = key.doc;
  if (!key.example) type["default"] = default_value(key);
  return type;
}

Json object(std::string_view description) {
  Json node = {{"type", "object"}};
  if (!description.empty()) node["description"] = description;
  node["additionalProperties"] = false;
  node["properties"] = Json::object();
  return node;
}

/// The object that holds the last part of a dotted path.
Json& holder(Json& root, std::string_view path) {
  Json* node = &root;
  for (size_t dot; (dot = path.find('.')) != std::string_view::npos; path.remove_prefix(dot + 1))
    node = &(*node)["properties"][std::string(path.substr(0, dot))];
  return *node;
}

}  // namespace

nlohmann::ordered_json json_schema(const Settings& settings) {
  Json root = {{"$schema", "http://json-schema.org/draft-07/schema#"},
               {"title", "Echelon configuration"}};
  root.update(object(""));
  root["properties"]["include"] = {
      {"type", "array"},
      {"items", {{"type", "string"}}},
      {"description", "Files read before this one, relative to it; this file's values win."}};
  for (const Section& s : settings.sections)
    holder(root, s.path)["properties"][s.path.substr(s.path.rfind('.') + 1)] = object(s.doc);
  for (const Setting& s : settings.items)
    holder(root, s.key.path)["properties"][std::string(s.key.last())] = key_schema(s.key);
  return root;
}

}  // namespace echelon::config
