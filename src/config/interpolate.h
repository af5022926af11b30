#pragma once
// ${section.key}, ${env:NAME}, ${env:NAME,default} and $${ in texts.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace echelon::config {

/// Whether the text holds a reference or an escaped one.
bool has_reference(std::string_view text);

/// Expands only ${env:...}; throws Refused for other references. Names used are appended.
std::string expand_environment(std::string_view text, bool allow_env,
                               std::vector<std::string>& names);

class Interpolator {
 public:
  /// `look` gives the unexpanded text of a key, or throws Refused.
  using Look = std::function<std::string(const std::string& path)>;
  Interpolator(Look look, bool allow_env) : look_(std::move(look)), allow_env_(allow_env) {}

  /// Throws Refused for circles, unknown keys, unset variables and unfinished references.
  std::string expand(std::string_view text, const std::string& key);
  const std::vector<std::string>& environment() const { return environment_; }

 private:
  std::string expand(std::string_view text, std::vector<std::string>& stack);
  std::string reference(const std::string& body, std::vector<std::string>& stack);
  Look look_;
  bool allow_env_;
  std::vector<std::string> environment_;
  size_t produced_ = 0;  // bytes written so far: bounds doubling chains
};

}  // namespace echelon::config
