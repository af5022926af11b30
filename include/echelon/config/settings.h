#pragma once
// Settings: every declared key of a configuration with its value and where that value came from.
// The field lists of config structs are read into this form; resolving, printing, documentation,
// schema, comparison and digests work on it.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "echelon/config/fields.h"

namespace echelon::config {

enum class Kind {
  boolean,
  integer,
  real,
  text,
  path,
  size,
  count,
  duration,
  word,
  integers,
  reals,
  texts
};

/// size, count, integer: int64_t; duration: seconds as double; word, text, path: string.
using Value = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>,
                           std::vector<double>, std::vector<std::string>>;

/// Where a value was written. Lines and columns count from 1.
struct Origin {
  enum class From { defaults, file, command_line };
  From from = From::defaults;
  std::string source;  ///< file name as shown to the user, or the override's text
  int line = 0;
  int column = 0;

  /// "default", "run.yaml:12" or "command line".
  std::string text() const;
  /// Start of a message: "run.yaml:12:5", "command line: 'a.b=1'".
  std::string place() const;
};

/// One declared key.
struct Key {
  std::string path;  ///< "model.num_layers"
  std::string doc;
  Kind kind = Kind::text;
  IntRange ints;                   ///< integer, size, count, integers
  RealRange reals;                 ///< real, duration, reals
  std::vector<std::string> words;  ///< word: the allowed ones, in enum order
  OnResume on_resume = OnResume::must_match;
  std::optional<std::string> example;  ///< set: required, without default
  Value fallback;                      ///< the default

  /// "model.num_layers" -> "num_layers".
  std::string_view last() const;
};

struct Section {
  std::string path;
  std::string doc;
};

struct Setting {
  Key key;
  Value value;
  Origin origin;
};

/// All settings in declaration order. A value type; one belongs to one configuration struct.
struct Settings {
  std::vector<Setting> items;
  std::vector<Section> sections;
  std::vector<std::string> environment;  ///< variables used by ${env:...}, sorted

  const Setting* find(std::string_view path) const;
  const Section* section(std::string_view path) const;
  /// Where a key's value came from; the key must be declared.
  const Origin& origin(std::string_view path) const;
};

using FieldList = std::function<void(Fields&)>;

/// Lists the keys with the values the struct holds now as value and default. Programmer errors
/// (bad or repeated key name, default outside its range) throw Error(internal).
Settings list_settings(const FieldList& fields);
/// Writes every value into the struct whose list was given to `list_settings`.
void assign(const Settings& settings, const FieldList& fields);

/// Normal spelling of a value: what the parser reads back as the same value. Sizes, counts and
/// durations with units where that is exact; texts as they are; lists "[a, b]" with quoted texts.
std::string spelled(const Value& value, Kind kind);

}  // namespace echelon::config
