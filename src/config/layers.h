#pragma once
// From sources to one list of written values, lowest layer first.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/config/load.h"
#include "src/config/tree.h"

namespace echelon::config {

/// One value as somebody wrote it, for one declared key.
struct Written {
  size_t item = 0;  ///< index in Settings::items
  Origin origin;
  bool reset = false;  ///< "~key": back to the default
  Node node;           ///< scalar or list
};

class Layers {
 public:
  Layers(const Settings& settings, Mistakes& mistakes, bool allow_env)
      : settings_(settings), mistakes_(mistakes), allow_env_(allow_env) {}

  /// The file after its include: files. Unknown keys and wrong shapes become mistakes.
  void add_file(const std::filesystem::path& path);
  void add_text(std::string_view text, const std::string& name);
  void add_overrides(const std::vector<std::string>& overrides);

  const std::vector<Written>& written() const { return written_; }
  /// Environment variables that include: paths used.
  const std::vector<std::string>& environment() const { return environment_; }

 private:
  void add_include(const Node& list, const std::filesystem::path& folder, const std::string& name);
  void add_map(const Node& map, const std::string& prefix, const std::string& name);
  void add_entry(const Node& node, const std::string& path, const std::string& name);
  void add_override(const std::string& text);
  void unknown(const Origin& origin, const std::string& path);
  bool has_shape(const Node& node, const Setting& setting, const Origin& origin);

  const Settings& settings_;
  Mistakes& mistakes_;
  bool allow_env_;
  std::vector<Written> written_;
  std::vector<std::string> environment_;
  std::vector<std::filesystem::path> open_;  // files being read, outermost first
  int files_ = 0;
};

}  // namespace echelon::config
