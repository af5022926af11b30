// The only source that sees yaml-cpp. Its event stream is used, not its node graph: aliases, depth
// and size are refused while reading, before anything could be walked.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "echelon/base/text.h"
#include "src/config/tree.h"

namespace echelon::config {

namespace {

class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const std::string& name, Mistakes& mistakes)
      : text_(text), name_(name), mistakes_(mistakes) {}

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) refuse(mark, "C20", "found a second document ('---'), wanted one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_extras(mark, "?", anchor);
    if (wants_key()) refuse(mark, "C20", "found an empty key, wanted a name");
    place(begin(Node::Kind::null, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "C14", "found an alias ('*name'), aliases are not allowed; repeat the value");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_extras(mark, tag, anchor);
    if (!closed_quote(mark)) refuse(mark, "C20", "not valid YAML: found no closing quote");
    if (wants_key()) return take_key(mark, value, tag == "!");
    Node node = begin(Node::Kind::scalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    bool has_key = false;  // maps: a key was read and waits for its value
    std::string key;
    int key_line = 0, key_column = 0;
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, const char* id, std::string_view what) {
    mistakes_.fatal(id, fmt::format("{}:{}:{}: {}", name_, mark.line + 1, mark.column + 1, what));
  }
  void refuse_extras(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    // An explicit "!" looks like a quoted scalar's own tag, so the text decides.
    const auto at = static_cast<size_t>(mark.pos);
    const bool written = mark.pos >= 0 && at < text_.size() && text_[at] == '!';
    if (written || (tag != "?" && tag != "!" && !tag.empty()))
      refuse(mark, "C20", "found a tag ('!name'), tags are not allowed");
    if (anchor != 0) refuse(mark, "C14", "found an anchor ('&name'), anchors are not allowed");
  }
  /// The library reads a quoted text that runs into the end of the file as if it were closed.
  bool closed_quote(const YAML::Mark& mark) const {
    const auto at = static_cast<size_t>(mark.pos);
    if (mark.pos < 0 || at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return true;
    for (size_t i = at + 1; i < text_.size(); ++i) {
      if (text_[at] == '"' && text_[i] == '\\')
        ++i;
      else if (text_[i] == text_[at])
        return true;
    }
    return false;
  }
  bool wants_key() const {
    return !levels_.empty() && levels_.back().node.kind == Node::Kind::map &&
           !levels_.back().has_key;
  }
  Node begin(Node::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMaxNodes)
      refuse(mark, "C14", fmt::format("found more than {} values, wanted fewer", kMaxNodes));
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }
  void take_key(const YAML::Mark& mark, const std::string& key, bool quoted) {
    if (key == "<<" && !quoted)
      refuse(mark, "C14", "found a merge key ('<<'), merging is not allowed; use include:");
    Level& level = levels_.back();
    for (const Node& item : level.node.items)
      if (item.key == key)
        mistakes_.add(
            "C4",
            fmt::format("{}:{}:{}: duplicate key '{}', first given in line {}; keep "
                        "one of the two",
                        name_, mark.line + 1, mark.column + 1, full_path(key), item.key_line));
    level.has_key = true;
    level.key = key;
    level.key_line = mark.line + 1;
    level.key_column = mark.column + 1;
    if (++nodes_ > kMaxNodes) begin(Node::Kind::null, mark);
  }
  std::string full_path(const std::string& key) const {
    std::string path;
    for (size_t i = 0; i + 1 < levels_.size(); ++i)
      if (levels_[i].has_key) path += levels_[i].key + ".";
    return text::escaped(path + key);
  }
  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_extras(mark, tag, anchor);
    if (wants_key()) refuse(mark, "C20", "found a list or mapping as key, wanted a name");
    if (levels_.size() >= static_cast<size_t>(kMaxDepth))
      refuse(mark, "C16", fmt::format("found more than {} levels of nesting", kMaxDepth));
    Level level;
    level.node = begin(kind, mark);
    levels_.push_back(std::move(level));
  }
  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    place(std::move(node));
  }
  void place(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::map) {
      node.key = std::exchange(level.key, {});
      node.key_line = level.key_line;
      node.key_column = level.key_column;
      level.has_key = false;
      // The library's mark of an absent value is not reliable.
      if (node.kind == Node::Kind::null) node.line = node.key_line, node.column = node.key_column;
    }
    level.node.items.push_back(std::move(node));
  }

  std::string_view text_;
  const std::string& name_;
  Mistakes& mistakes_;
  Node root_;
  std::vector<Level> levels_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

Node parse_yaml(std::string_view text, const std::string& name, Mistakes& mistakes) {
  Builder builder(text, name, mistakes);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    const bool alias = e.msg.find("anchor") != std::string::npos;
    mistakes.fatal(
        alias ? "C14" : "C20",
        fmt::format("{}:{}:{}: not valid YAML: {}{}", name, e.mark.line + 1, e.mark.column + 1,
                    text::escaped(e.msg), alias ? "; aliases are not allowed" : ""));
  }
  Node root = builder.take();
  if (root.kind == Node::Kind::null)
    mistakes.fatal("C20", fmt::format("{}: found no keys, wanted at least one; write {{}} to take "
                                      "every default",
                                      name));
  if (root.kind != Node::Kind::map)
    mistakes.fatal(
        "C20", fmt::format("{}:{}:{}: found a {}, wanted 'key: value' lines", name, root.line,
                           root.column, root.kind == Node::Kind::list ? "list" : "single value"));
  return root;
}

Node parse_flow_value(std::string_view text) {
  Mistakes mistakes;
  const std::string wrapped = fmt::format("v: {}\n", text);
  try {
    const Node root = parse_yaml(wrapped, "value", mistakes);
    if (root.items.size() == 1 && mistakes.empty()) return root.items[0];
  } catch (const std::exception&) {
  }
  return {};
}

}  // namespace echelon::config
