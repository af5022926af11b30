#pragma once
// Strict YAML tree: raw scalar text with its place. Values are typed later, by the declared key.
#include <string>
#include <string_view>
#include <vector>

#include "src/config/mistakes.h"

namespace echelon::config {

struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;     ///< scalar: content after YAML unquoting
  bool quoted = false;  ///< scalar: written in quotes or as a block
  int line = 0, column = 0;
  std::string key;  ///< below a map: the key and its place
  int key_line = 0, key_column = 0;
  std::vector<Node> items;  ///< list or map, in file order
};

inline constexpr size_t kMaxBytes = 1 << 20;
inline constexpr int kMaxDepth = 16;
inline constexpr size_t kMaxNodes = 10000;

/// Refuses a byte order mark, NUL, control characters, bad UTF-8, tabs in indentation, emptiness
/// and excess length. `name` stands for the file in messages.
void check_bytes(std::string_view text, const std::string& name, Mistakes& mistakes);

/// Length of the valid UTF-8 sequence at s[i], 0 when invalid (overlong, surrogate, too large).
size_t utf8_length(std::string_view s, size_t i);

/// Tree of one document whose root is a map. Refuses anchors, aliases, tags, "<<", duplicate keys,
/// several documents, more than kMaxDepth levels or kMaxNodes nodes. The text has passed
/// `check_bytes`.
Node parse_yaml(std::string_view text, const std::string& name, Mistakes& mistakes);

/// One flow value ("[1, 2]") as written in an override; a null node when it is not valid YAML.
Node parse_flow_value(std::string_view text);

}  // namespace echelon::config
