#pragma once
// One field list per config struct. The list is a method `void fields(config::Fields& f)` that
// names every member once; parsing, range checks, defaults, docs, dump and JSON schema are visitors
// of it:
//
//   struct ClipConfig {
//     double clip_grad = 1.0;
//     void fields(config::Fields& f) {
//       f.real("clip_grad", clip_grad, {0, 1e6}, "Largest global gradient norm; 0 turns clipping
//       off.");
//     }
//   };
//
// The value a member has before parsing is its default. Structs live with the part they steer.
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace echelon::config {

struct IntRange {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();
};
struct RealRange {
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
};

/// Whether a run may resume with another value of this key (docs: "may change on resume").
enum class OnResume { must_match, may_change };

/// Visitor of a field list. Implementations: reader, dumper, documentation, JSON schema, key
/// lister.
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void boolean(std::string_view key, bool& value, std::string_view doc) = 0;
  virtual void integer(std::string_view key, int64_t& value, IntRange range,
                       std::string_view doc) = 0;
  virtual void real(std::string_view key, double& value, RealRange range, std::string_view doc) = 0;
  virtual void text(std::string_view key, std::string& value, std::string_view doc) = 0;
  /// File or folder name; "~" and "$NAME" are refused, because nothing would expand them.
  virtual void path(std::string_view key, std::string& value, std::string_view doc) {
    text(key, value, doc);
  }
  /// Bytes: plain number, or with kB MB GB TB KiB MiB GiB TiB.
  virtual void size(std::string_view key, int64_t& value, IntRange range, std::string_view doc) = 0;
  /// Whole number, or with K M B T (powers of 1000).
  virtual void count(std::string_view key, int64_t& value, IntRange range,
                     std::string_view doc) = 0;
  /// Seconds: "250ms", "90s", "30m", "1h30m", "2d".
  virtual void duration(std::string_view key, double& seconds, RealRange range,
                        std::string_view doc) = 0;
  virtual void integers(std::string_view key, std::vector<int64_t>& value, IntRange range,
                        std::string_view doc) = 0;
  virtual void reals(std::string_view key, std::vector<double>& value, RealRange range,
                     std::string_view doc) = 0;
  virtual void texts(std::string_view key, std::vector<std::string>& value,
                     std::string_view doc) = 0;

  /// One of `names`; `value` is its index. Use `choice` for enum class members.
  virtual void one_of(std::string_view key, int& value, std::span<const std::string_view> names,
                      std::string_view doc) = 0;
  template <class Enum>
  void choice(std::string_view key, Enum& value, std::span<const std::string_view> names,
              std::string_view doc) {
    int index = static_cast<int>(value);
    one_of(key, index, names, doc);
    value = static_cast<Enum>(index);
  }

  /// A mapping below `key`; `inner.fields(*this)` is called between open and close.
  template <class Config>
  void group(std::string_view key, Config& inner, std::string_view doc) {
    if (!open(key, doc)) return;
    inner.fields(*this);
    close();
  }

  /// The next field has no default and must be given; `example` is shown when it is missing.
  virtual void required(std::string_view example) { static_cast<void>(example); }

  /// The fields listed until the next call may (not) change when a run resumes; default must_match.
  /// A group starts with the rule of its surroundings and does not change it for them.
  virtual void on_resume(OnResume rule) = 0;

 protected:
  virtual bool open(std::string_view key, std::string_view doc) = 0;
  virtual void close() = 0;
};

}  // namespace echelon::config
