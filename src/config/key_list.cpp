// The two visitors of field lists: one reads the list into settings, one writes settings back.
#include <algorithm>
#include <cmath>
#include <utility>

#include "echelon/base/error.h"
#include "echelon/config/settings.h"
#include "src/config/scalars.h"

namespace echelon::config {

namespace {

/// Keeps the dotted path of the open groups.
class PathVisitor : public Fields {
 public:
  void close() override {
    const size_t dot = prefix_.rfind('.', prefix_.size() - 2);
    prefix_.resize(dot == std::string::npos ? 0 : dot + 1);
  }

 protected:
  std::string prefix_;  // empty or ends with '.'
};

class Lister : public PathVisitor {
 public:
  Settings take() { return std::move(settings_); }

  void boolean(std::string_view k, bool& v, std::string_view doc) override {
    add(k, Kind::boolean, v, doc);
  }
  void integer(std::string_view k, int64_t& v, IntRange r, std::string_view doc) override {
    add(k, Kind::integer, v, doc).ints = r;
  }
  void real(std::string_view k, double& v, RealRange r, std::string_view doc) override {
    add(k, Kind::real, v, doc).reals = r;
  }
  void text(std::string_view k, std::string& v, std::string_view doc) override {
    add(k, Kind::text, v, doc);
  }
  void path(std::string_view k, std::string& v, std::string_view doc) override {
    add(k, Kind::path, v, doc);
  }
  void size(std::string_view k, int64_t& v, IntRange r, std::string_view doc) override {
    add(k, Kind::size, v, doc).ints = {std::max<int64_t>(r.least, 0), r.most};
  }
  void count(std::string_view k, int64_t& v, IntRange r, std::string_view doc) override {
    add(k, Kind::count, v, doc).ints = {std::max<int64_t>(r.least, 0), r.most};
  }
  void duration(std::string_view k, double& v, RealRange r, std::string_view doc) override {
    add(k, Kind::duration, v, doc).reals = {std::max(r.least, 0.0), r.most};
  }
  void integers(std::string_view k, std::vector<int64_t>& v, IntRange r,
                std::string_view doc) override {
    add(k, Kind::integers, v, doc).ints = r;
  }
  void reals(std::string_view k, std::vector<double>& v, RealRange r,
             std::string_view doc) override {
    add(k, Kind::reals, v, doc).reals = r;
  }
  void texts(std::string_view k, std::vector<std::string>& v, std::string_view doc) override {
    add(k, Kind::texts, v, doc);
  }
  void one_of(std::string_view k, int& v, std::span<const std::string_view> names,
              std::string_view doc) override {
    ECH_CHECK(v >= 0 && static_cast<size_t>(v) < names.size(), "{}{}: value {} of {} names",
              prefix_, k, v, names.size());
    add(k, Kind::word, std::string(names[static_cast<size_t>(v)]), doc)
        .words.assign(names.begin(), names.end());
  }
  void on_resume(OnResume rule) override { rule_ = rule; }
  void required(std::string_view example) override { example_ = std::string(example); }

 protected:
  bool open(std::string_view key, std::string_view doc) override {
    check_name(key);
    settings_.sections.push_back({prefix_ + std::string(key), std::string(doc)});
    prefix_ += std::string(key) + ".";
    rules_.push_back(rule_);
    return true;
  }
  void close() override {
    PathVisitor::close();
    rule_ = rules_.back();
    rules_.pop_back();
  }

 private:
  void check_name(std::string_view key) const {
    const bool good = !key.empty() && key != "include" &&
                      key.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_") == std::string_view::npos &&
                      !(key[0] >= '0' && key[0] <= '9');
    ECH_CHECK(good, "'{}' is not a key name", key);
    const std::string path = prefix_ + std::string(key);
    ECH_CHECK(!settings_.find(path) && !settings_.section(path), "key {} is listed twice", path);
  }
  Key& add(std::string_view name, Kind kind, Value value, std::string_view doc) {
    check_name(name);
    Setting s;
    s.key.path = prefix_ + std::string(name);
    s.key.doc = std::string(doc);
    s.key.kind = kind;
    s.key.on_resume = rule_;
    s.key.example = std::exchange(example_, std::nullopt);
    s.key.fallback = value;
    s.value = std::move(value);
    settings_.items.push_back(std::move(s));
    return settings_.items.back().key;
  }

  Settings settings_;
  OnResume rule_ = OnResume::must_match;
  std::vector<OnResume> rules_;  // of the enclosing groups
  std::optional<std::string> example_;
};

class Assigner : public PathVisitor {
 public:
  explicit Assigner(const Settings& settings) : settings_(settings) {}
  void finish() const {
    ECH_CHECK(next_ == settings_.items.size(), "{} of {} settings assigned", next_,
              settings_.items.size());
  }

  void boolean(std::string_view k, bool& v, std::string_view) override { take(k, v); }
  void integer(std::string_view k, int64_t& v, IntRange, std::string_view) override { take(k, v); }
  void real(std::string_view k, double& v, RealRange, std::string_view) override { take(k, v); }
  void text(std::string_view k, std::string& v, std::string_view) override { take(k, v); }
  void size(std::string_view k, int64_t& v, IntRange, std::string_view) override { take(k, v); }
  void count(std::string_view k, int64_t& v, IntRange, std::string_view) override { take(k, v); }
  void duration(std::string_view k, double& v, RealRange, std::string_view) override { take(k, v); }
  void integers(std::string_view k, std::vector<int64_t>& v, IntRange, std::string_view) override {
    take(k, v);
  }
  void reals(std::string_view k, std::vector<double>& v, RealRange, std::string_view) override {
    take(k, v);
  }
  void texts(std::string_view k, std::vector<std::string>& v, std::string_view) override {
    take(k, v);
  }
  void one_of(std::string_view k, int& v, std::span<const std::string_view> names,
              std::string_view) override {
    std::string word;
    take(k, word);
    const auto at = std::find(names.begin(), names.end(), word);
    ECH_CHECK(at != names.end(), "{}{}: '{}' is not a listed name", prefix_, k, word);
    v = static_cast<int>(at - names.begin());
  }
  void on_resume(OnResume) override {}

 protected:
  bool open(std::string_view key, std::string_view) override {
    prefix_ += std::string(key) + ".";
    return true;
  }

 private:
  template <class T>
  void take(std::string_view name, T& value) {
    ECH_CHECK(next_ < settings_.items.size(), "field list grew while reading");
    const Setting& s = settings_.items[next_++];
    ECH_CHECK(s.key.path == prefix_ + std::string(name), "field list changed: {} instead of {}",
              prefix_ + std::string(name), s.key.path);
    value = std::get<T>(s.value);
  }

  const Settings& settings_;
  size_t next_ = 0;
};

void check_default(const Key& key, const Value& value) {
  const std::string text = spelled(value, element_kind(key.kind));
  try {
    static_cast<void>(parse_scalar(key, text));
  } catch (const Refused& e) {
    ECH_CHECK(false, "default of {}: found '{}', wanted {}", key.path, text, e.why);
  }
}

/// A default must be writable and readable, otherwise the printed configuration is no valid input.
void check_default(const Key& key) {
  if (key.example) return;
  if (!is_list(key.kind)) return check_default(key, key.fallback);
  const auto each = [&](const auto& list) {
    for (const auto& value : list) check_default(key, Value(value));
  };
  if (key.kind == Kind::integers) each(std::get<std::vector<int64_t>>(key.fallback));
  if (key.kind == Kind::reals) each(std::get<std::vector<double>>(key.fallback));
  if (key.kind == Kind::texts) each(std::get<std::vector<std::string>>(key.fallback));
}

}  // namespace

std::string Origin::text() const {
  switch (from) {
    case From::defaults: return "default";
    case From::command_line: return "command line";
    default: return line ? fmt::format("{}:{}", source, line) : source;
  }
}

std::string Origin::place() const {
  switch (from) {
    case From::defaults: return "default";
    case From::command_line: return fmt::format("command line: '{}'", source);
    default: return line ? fmt::format("{}:{}:{}", source, line, column) : source;
  }
}

std::string_view Key::last() const { return std::string_view(path).substr(path.rfind('.') + 1); }

const Setting* Settings::find(std::string_view path) const {
  const auto at = std::find_if(items.begin(), items.end(),
                               [&](const Setting& s) { return s.key.path == path; });
  return at == items.end() ? nullptr : &*at;
}

const Section* Settings::section(std::string_view path) const {
  const auto at = std::find_if(sections.begin(), sections.end(),
                               [&](const Section& s) { return s.path == path; });
  return at == sections.end() ? nullptr : &*at;
}

const Origin& Settings::origin(std::string_view path) const {
  const Setting* s = find(path);
  ECH_CHECK(s != nullptr, "'{}' is no declared key", path);
  return s->origin;
}

Settings list_settings(const FieldList& fields) {
  Lister lister;
  fields(lister);
  Settings settings = lister.take();
  for (const Setting& s : settings.items) check_default(s.key);
  return settings;
}

void assign(const Settings& settings, const FieldList& fields) {
  Assigner assigner(settings);
  fields(assigner);
  assigner.finish();
}

}  // namespace echelon::config
