#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

#include "echelon/config/paths.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "echelon-paths-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};
}  // namespace

TEST_CASE("paths that lead out of the run directory are refused with the resolved path",
          "[config]") {
  const Folder folder;
  const fs::path run = folder.path / "run";
  fs::create_directories(run / "sub");
  fs::create_directories(folder.path / "run2");
  fs::create_directory_symlink("/etc", run / "link");
  fs::create_directory_symlink("..", run / "up");
  fs::create_directory_symlink("../run2", run / "sibling");
  fs::create_directory_symlink("loop", run / "loop");
  fs::create_directory_symlink("sub", run / "good");
  const std::string bad[] = {"..",
                             "../x",
                             "../run2/x",
                             "sub/../../x",
                             "a/../../run2",
                             "./../x",
                             "sub/../..",
                             "/etc/passwd",
                             "/",
                             "//etc",
                             run.string(),
                             "~",
                             "~/x",
                             "~root/x",
                             "$HOME/x",
                             "a/$USER",
                             "${HOME}",
                             "link/passwd",
                             "link",
                             "up/x",
                             "up/run2/x",
                             "sibling/x",
                             "link/../etc/x",
                             "loop/x",
                             "",
                             ".",
                             "sub/..",
                             "a\nb",
                             "a\x1b[31m",
                             std::string("a\0b", 3),
                             std::string(5000, 'x')};
  for (const std::string& name : bad) {
    const Error e = error_of([&] { inside(run, name, "checkpoint.save"); });
    INFO(name.substr(0, 60) << " -> " << e.what());
    CHECK(e.code() == ExitCode::config);
    CHECK(e.id() == "C19");
    CHECK_THAT(e.what(), Contains("checkpoint.save: found '") && Contains("wanted a path"));
    CHECK(std::string(e.what()).find('\x1b') == std::string::npos);
  }
  CHECK_THAT(error_of([&] { inside(run, "../run2/x", "k"); }).what(),
             Contains((fs::canonical(folder.path) / "run2/x").string()));
  const fs::path base = fs::canonical(run);
  CHECK(inside(run, "sub/new", "k") == base / "sub/new");
  CHECK(inside(run, "a/../b/", "k") == base / "b");
  CHECK(inside(run, "good/x", "k") == base / "sub/x");
  CHECK(inside(run, "a..b", "k") == base / "a..b");
}

TEST_CASE("run directories whose pruning would destroy are refused", "[config]") {
  const fs::path above = fs::current_path().parent_path();
  for (const std::string& name :
       {std::string("/"), std::string("//"), std::string("/etc"), std::string("/usr/"),
        std::string("/tmp/.."), std::string("/dev/x"), std::string("/proc/self"),
        std::string("/tmp"), std::string(""), std::string("~/runs"), above.string()}) {
    const Error e = error_of([&] { run_directory(name, "run_dir"); });
    INFO(name << " -> " << e.what());
    CHECK(e.code() == ExitCode::config);
    CHECK(e.id() == "C22");
  }
  const Folder folder;
  CHECK(run_directory((folder.path / "runs/a/").string(), "run_dir") ==
        fs::canonical(folder.path) / "runs/a");
  CHECK(run_directory("runs/x", "run_dir") == fs::canonical(fs::current_path()) / "runs/x");
}
