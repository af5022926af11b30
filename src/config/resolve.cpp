// The highest layer wins for each key; then references are expanded and texts become typed values.
#include <algorithm>
#include <map>

#include "echelon/base/text.h"
#include "src/config/interpolate.h"
#include "src/config/layers.h"
#include "src/config/quoting.h"
#include "src/config/scalars.h"
#include "src/config/suggest.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

class Resolver {
 public:
  Resolver(Settings& settings, const Layers& layers, Mistakes& mistakes, bool allow_env)
      : settings_(settings),
        mistakes_(mistakes),
        interpolator_([this](const std::string& path) { return raw_text(path); }, allow_env) {
    winner_.resize(settings.items.size(), nullptr);
    for (const Written& w : layers.written()) winner_[w.item] = w.reset ? nullptr : &w;
    settings_.environment = layers.environment();
  }

  void run() {
    for (size_t i = 0; i < settings_.items.size(); ++i) {
      Setting& s = settings_.items[i];
      s.value = s.key.fallback;
      s.origin = {};
      if (winner_[i])
        take(s, *winner_[i]);
      else if (s.key.example)
        missing(s.key);
    }
    auto& names = settings_.environment;
    names.insert(names.end(), interpolator_.environment().begin(),
                 interpolator_.environment().end());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }

 private:
  void missing(const Key& key) {
    mistakes_.add("C3",
                  fmt::format("{}: found nothing, wanted {}; this key has no default: give it, "
                              "for example {}={}",
                              key.path, wanted(key), key.path, *key.example));
  }

  void take(Setting& s, const Written& w) {
    s.origin = w.origin;
    if (w.node.kind == Node::Kind::list) {
      take_list(s, w.node.items, w.origin);
    } else if (is_list(s.key.kind)) {
      const auto text = expanded(s.key, w.node, w.origin);
      if (!text) return;
      const Node list = parse_flow_value(*text);
      if (list.kind == Node::Kind::list) return take_list(s, list.items, w.origin);
      mistakes_.add("C2", message(w.origin, s.key, *text, wanted(s.key)));
    } else if (auto value = scalar(s.key, w.node, w.origin)) {
      s.value = std::move(*value);
    }
  }

  void take_list(Setting& s, const std::vector<Node>& nodes, const Origin& origin) {
    std::vector<Value> values;
    for (const Node& node : nodes) {
      Origin here = origin;
      if (here.from == Origin::From::file) here.line = node.line, here.column = node.column;
      if (node.kind != Node::Kind::scalar) {
        const char* found = node.kind == Node::Kind::null ? "nothing" : "a list or mapping";
        mistakes_.add("C2", fmt::format("{}: {}: found {} in the list, wanted {}", here.place(),
                                        s.key.path, found, wanted(s.key)));
        return;
      }
      auto value = scalar(s.key, node, here);
      if (!value) return;
      values.push_back(std::move(*value));
    }
    s.value = gather(s.key.kind, values);
  }

  static Value gather(Kind kind, const std::vector<Value>& values) {
    const auto collect = [&]<class T>(std::vector<T> out) -> Value {
      for (const Value& v : values) out.push_back(std::get<T>(v));
      return out;
    };
    if (kind == Kind::integers) return collect(std::vector<int64_t>{});
    if (kind == Kind::reals) return collect(std::vector<double>{});
    return collect(std::vector<std::string>{});
  }

  std::optional<std::string> expanded(const Key& key, const Node& node, const Origin& origin) {
    try {
      return interpolator_.expand(node.text, key.path);
    } catch (const Refused& e) {
      mistakes_.add(e.id, fmt::format("{}: {}: {}", origin.place(), key.path, e.why));
      return std::nullopt;
    }
  }

  std::optional<Value> scalar(const Key& key, const Node& node, const Origin& origin) {
    const auto text = expanded(key, node, origin);
    if (!text) return std::nullopt;
    const Kind kind = element_kind(key.kind);
    const bool textual = kind == Kind::text || kind == Kind::path || kind == Kind::word;
    if (node.quoted && !textual && !has_reference(node.text)) {
      mistakes_.add("C2", message(origin, key, *text, wanted(key) + " without quotes"));
      return std::nullopt;
    }
    try {
      return parse_scalar(key, *text);
    } catch (const Refused& e) {
      mistakes_.add(e.id, message(origin, key, *text, e.why));
      return std::nullopt;
    }
  }

  static std::string message(const Origin& origin, const Key& key, const std::string& found,
                             const std::string& why) {
    return fmt::format("{}: {}: found '{}', wanted {}", origin.place(), key.path,
                       text::escaped(found), why);
  }

  /// Unexpanded text of a key for ${...}: as written, or the default.
  std::string raw_text(const std::string& path) const {
    const Setting* s = settings_.find(path);
    if (!s) {
      const std::string hint = suggestion(path, settings_);
      const bool section = settings_.section(path) != nullptr;
      throw Refused{"C1", fmt::format("'${{{}}}' names {}{}", text::escaped(path),
                                      section ? "a section, wanted a key" : "no key",
                                      section || hint.empty() ? "" : "; " + hint)};
    }
    const Written* w = winner_[static_cast<size_t>(s - settings_.items.data())];
    if (!w) {
      if (s->key.example) throw Refused{"C3", fmt::format("'${{{}}}' has no value", path)};
      return escaped_default(s->key);
    }
    if (w->node.kind == Node::Kind::scalar) return w->node.text;
    std::string list;
    for (const Node& item : w->node.items) {
      const bool textual = s->key.kind == Kind::texts;
      list += (list.empty() ? "" : ", ") + (textual ? quoted_flow(item.text) : item.text);
    }
    return fmt::format("[{}]", list);
  }

  static std::string escaped_default(const Key& key) {
    const std::string text = spelled(key.fallback, key.kind);
    return key.kind == Kind::texts ? text : escape_references(text);
  }

  Settings& settings_;
  Mistakes& mistakes_;
  Interpolator interpolator_;
  std::vector<const Written*> winner_;
};

void finish(Settings& settings, const Layers& layers, Mistakes& mistakes, bool allow_env) {
  Settings resolved = settings;
  Resolver(resolved, layers, mistakes, allow_env).run();
  mistakes.raise_if_any();
  settings = std::move(resolved);
}

}  // namespace

void resolve(Settings& settings, const Sources& sources) {
  Mistakes mistakes;
  Layers layers(settings, mistakes, sources.allow_env);
  if (sources.file) layers.add_file(*sources.file);
  layers.add_overrides(sources.overrides);
  finish(settings, layers, mistakes, sources.allow_env);
}

void resolve_text(Settings& settings, std::string_view text, std::string_view name,
                  const std::vector<std::string>& overrides, bool allow_env) {
  Mistakes mistakes;
  Layers layers(settings, mistakes, allow_env);
  layers.add_text(text, std::string(name));
  layers.add_overrides(overrides);
  finish(settings, layers, mistakes, allow_env);
}

}  // namespace echelon::config
