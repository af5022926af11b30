// The laws of docs/architecture.md, read from that page and checked on the sources.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = ECHELON_SOURCE;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// "module: what it may include", between the ```floors fences of docs/architecture.md.
std::map<std::string, std::set<std::string>> floors() {
  std::map<std::string, std::set<std::string>> allowed;
  bool inside = false;
  for (const auto& line : lines_of(kRoot / "docs/architecture.md")) {
    if (line.starts_with("```")) {
      inside = line == "```floors";
      continue;
    }
    if (!inside) continue;
    std::istringstream words(line);
    std::string module, other;
    words >> module;
    module.pop_back();
    allowed[module] = {module};
    while (words >> other) allowed[module].insert(other);
  }
  return allowed;
}

/// "path: reason" lines of the ```exceptions-<law> fence.
std::set<std::string> exceptions(const std::string& law) {
  std::set<std::string> paths;
  bool inside = false;
  for (const auto& line : lines_of(kRoot / "docs/architecture.md")) {
    if (line.starts_with("```")) {
      inside = line == "```exceptions-" + law;
      continue;
    }
    if (inside) paths.insert(line.substr(0, line.find(':')));
  }
  return paths;
}

struct Source {
  fs::path path;       // absolute
  std::string shown;   // relative to the root
  std::string module;  // base, ops, backend, kernels, ...
};

std::vector<Source> sources() {
  std::vector<Source> found;
  for (const char* top : {"include/echelon", "src", "kernels"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const std::set<std::string> kinds = {".cpp", ".h", ".cu", ".cuh", ".def"};
      if (!entry.is_regular_file() || !kinds.contains(entry.path().extension().string())) continue;
      const auto inside = fs::relative(entry.path(), kRoot / top);
      const auto module = std::string(top) == "kernels" ? "kernels" : inside.begin()->string();
      found.push_back({entry.path(), fs::relative(entry.path(), kRoot).string(), module});
    }
  return found;
}

std::string all_of(const std::vector<std::string>& complaints) {
  std::string text;
  for (const auto& c : complaints) text += "\n  " + c;
  return text;
}

}  // namespace

TEST_CASE("every include points down the floors", "[architecture]") {
  const auto allowed = floors();
  REQUIRE(allowed.size() > 10);
  const std::regex ours("^\\s*#\\s*include \"(echelon/|src/|kernels/)?([a-z_]+)/.*");
  std::vector<std::string> wrong;
  for (const auto& source : sources()) {
    if (source.module == "backend") continue;  // sees ops, the floors below it and kernels
    for (const auto& line : lines_of(source.path)) {
      std::smatch match;
      if (!std::regex_match(line, match, ours)) continue;
      const std::string other = match[1] == "kernels/" ? "kernels" : match[2].str();
      if (source.module == "kernels"
              ? other == "kernels"
              : allowed.count(source.module) && allowed.at(source.module).contains(other))
        continue;
      wrong.push_back(source.shown + ": " + line);
    }
  }
  INFO(all_of(wrong));
  CHECK(wrong.empty());
}

TEST_CASE("every module of the tree stands in the floor list", "[architecture]") {
  const auto allowed = floors();
  for (const auto& source : sources())
    if (source.module != "kernels" && source.module != "backend") {
      INFO(source.shown);
      CHECK(allowed.contains(source.module));
    }
}

TEST_CASE("files and functions stay within their budgets", "[architecture]") {
  const auto excused = exceptions("budget");
  std::vector<std::string> wrong;
  for (const auto& source : sources()) {
    if (excused.contains(source.shown)) continue;
    const auto lines = lines_of(source.path);
    const auto kind = source.path.extension();
    const size_t budget = kind == ".h" || kind == ".cuh" ? 250 : 500;
    if (lines.size() > budget)
      wrong.push_back(source.shown + ": " + std::to_string(lines.size()) + " lines, budget " +
                      std::to_string(budget));
    // A function body as clang-format lays it out: "...) ... {" at depth <= 2 until its "}".
    for (size_t i = 0; i < lines.size(); ++i) {
      const size_t indent = lines[i].find_first_not_of(' ');
      if (indent == std::string::npos || indent > 2 || !lines[i].ends_with("{")) continue;
      if (lines[i].find(')') == std::string::npos) continue;
      const std::string closing = std::string(indent, ' ') + "}";
      size_t end = i + 1;
      while (end < lines.size() && !lines[end].starts_with(closing)) ++end;
      if (end - i > 61)
        wrong.push_back(source.shown + ":" + std::to_string(i + 1) + ": function of " +
                        std::to_string(end - i - 1) + " lines, budget 60");
    }
  }
  INFO(all_of(wrong));
  CHECK(wrong.empty());
}

TEST_CASE("conditionals for build options appear in the listed files alone", "[architecture]") {
  const auto excused = exceptions("if");
  const std::regex option("^\\s*#\\s*(if|ifdef|ifndef|elif)\\b.*\\bECHELON_.*");
  std::vector<std::string> wrong;
  for (const auto& source : sources())
    for (const auto& line : lines_of(source.path))
      if (std::regex_match(line, option) && !excused.contains(source.shown))
        wrong.push_back(source.shown + ": " + line);
  INFO(all_of(wrong));
  CHECK(wrong.empty());
}

TEST_CASE("no source defines a mutable global", "[architecture]") {
  // At namespace scope clang-format leaves definitions unindented; const and constexpr are fine.
  const std::regex global(
      "^(static |inline |thread_local |extern )*(std::|int|bool|double|float|size_t|auto|char|uint)"
      "[A-Za-z0-9_:<>*&, ]* [a-z_0-9]+( = .*|\\{.*)?;$");
  std::vector<std::string> wrong;
  for (const auto& source : sources()) {
    if (source.module == "kernels" && source.path.extension() == ".cuh") continue;
    for (const auto& line : lines_of(source.path))
      if (std::regex_match(line, global) && line.find("const") == std::string::npos &&
          line.find("using ") == std::string::npos && line.find("return ") == std::string::npos)
        wrong.push_back(source.shown + ": " + line);
  }
  INFO(all_of(wrong));
  CHECK(wrong.empty());
}

TEST_CASE("the build's link edges are the floor list", "[architecture]") {
  const auto allowed = floors();
  std::string text;
  for (const auto& line : lines_of(kRoot / "CMakeLists.txt")) text += line + " ";
  const std::regex call("echelon_module\\(([a-z]+)( DEPENDS ([a-z ]+))?\\)");
  size_t seen = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it, ++seen) {
    const std::string module = (*it)[1];
    INFO(module);
    REQUIRE(allowed.contains(module));
    std::istringstream words((*it)[3].str());
    std::set<std::string> linked = {module};
    for (std::string word; words >> word;) linked.insert(word);
    CHECK(linked == allowed.at(module));
  }
  CHECK(seen + 1 == allowed.size());  // app is a program, not a module
}
