#pragma once
// Collects the mistakes of a configuration and throws them as one Error.
#include <string>
#include <vector>

namespace echelon::config {

class Mistakes {
 public:
  /// `line` is a whole message, "place: key: found X, wanted Y; advice".
  void add(std::string id, std::string line);
  bool empty() const { return lines_.empty(); }
  /// Throws Error(config, first id) with up to 20 lines, in the order they were added.
  void raise_if_any() const;
  /// Adds and throws at once: what follows cannot be read.
  [[noreturn]] void fatal(std::string id, std::string line);

 private:
  std::string id_;
  std::vector<std::string> lines_;
};

}  // namespace echelon::config
