#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "echelon/base/file.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "echelon-config-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    write_file_atomically(path_ / name, text);
    return (path_ / name).string();
  }
  std::string at(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

Error file_error(const std::string& path) {
  return error_of([&] { load<Run>({.file = path, .overrides = {}}); });
}

struct Variable {
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  const char* name_;
};

}  // namespace

TEST_CASE("without sources every default holds", "[config]") {
  CHECK(load<Run>({}).model.num_layers == 12);
}

TEST_CASE("include files come first, in order, relative to the including file", "[config]") {
  const Folder folder;
  folder.write("model/base.yaml", "model: {num_layers: 1, hidden_size: 1}\nlr: 0.1\n");
  folder.write("model/wide.yaml", "include: [base.yaml]\nmodel: {hidden_size: 2}\n");
  folder.write("data.yaml", "data: {weights: [1, 2, 3]}\nlr: 0.2\n");
  const std::string run = folder.write(
      "run.yaml", "lr: 0.3\ninclude:\n  - model/wide.yaml\n  - data.yaml\ndata: {weights: [4]}\n");
  Settings s;
  const Run r = load<Run>({.file = run, .overrides = {"train.micro_batch_size=5"}}, &s);
  CHECK(r.model.num_layers == 1);
  CHECK(r.model.hidden_size == 2);
  CHECK(r.lr == 0.3);
  CHECK(r.data.weights == std::vector<double>{4});
  CHECK(r.train.micro_batch_size == 5);
  CHECK(s.origin("model.num_layers").text() == folder.at("model/base.yaml") + ":1");
  CHECK(s.origin("model.hidden_size").text() == folder.at("model/wide.yaml") + ":2");
  CHECK(s.origin("lr").text() == run + ":1");
  CHECK(s.origin("train.micro_batch_size").text() == "command line");
  CHECK(s.origin("train.train_tokens").text() == "default");
}

TEST_CASE("circles, depth and absence of include files are refused with place", "[config]") {
  const Folder folder;
  const std::string self = folder.write("self.yaml", "include: [./self.yaml]\n");
  CHECK_THAT(file_error(self).what(), Contains(self + ":1:11: include: './self.yaml' leads back"));
  const std::string a = folder.write("a.yaml", "include: [sub/b.yaml]\n");
  folder.write("sub/b.yaml", "include: [../a.yaml]\n");
  CHECK_THAT(file_error(a).what(), Contains("leads back to itself"));
  for (int i = 0; i < 9; ++i)
    folder.write(fmt::format("d{}.yaml", i), fmt::format("include: [d{}.yaml]\n", i + 1));
  folder.write("d9.yaml", "lr: 1\n");
  CHECK(file_error(folder.at("d0.yaml")).id() == "C16");
  CHECK(load<Run>({.file = folder.at("d2.yaml"), .overrides = {}}).lr == 1);
  CHECK_THAT(file_error(folder.write("n.yaml", "include: [gone.yaml]\n")).what(),
             Contains("found no file '" + folder.at("gone.yaml")));
  CHECK(file_error(folder.write("s.yaml", "include: base.yaml\n")).id() == "C2");
  CHECK(file_error(folder.write("m.yaml", "include: [{a: 1}]\n")).id() == "C2");
  CHECK_THAT(file_error(folder.write("z.yaml", "model: {include: [d9.yaml]}\n")).what(),
             Contains("unknown key 'model.include'"));
  CHECK_THAT(error_in("include: [x.yaml]\n").what(), Contains("run.yaml:1:1: include:"));
  // A diamond is no circle.
  folder.write("left.yaml", "include: [d9.yaml]\n");
  folder.write("right.yaml", "include: [d9.yaml]\n");
  const auto top = folder.write("top.yaml", "include: [left.yaml, right.yaml]\n");
  CHECK(load<Run>({.file = top, .overrides = {}}).lr == 1);
}

TEST_CASE("a chain of doubling includes is bounded", "[config]") {
  const Folder folder;
  for (int i = 0; i < 7; ++i)
    folder.write(fmt::format("x{}.yaml", i),
                 fmt::format("include: [x{0}.yaml, x{0}.yaml]\n", i + 1));
  folder.write("x7.yaml", "lr: 1\n");
  CHECK(file_error(folder.at("x0.yaml")).id() == "C17");
}

TEST_CASE("a mistake in an included file names that file", "[config]") {
  const Folder folder;
  const std::string base = folder.write("base.yaml", "model:\n  num_layers: 0\n");
  const std::string run = folder.write("run.yaml", "include: [base.yaml]\nlrr: 1\n");
  const std::string text = file_error(run).what();
  CHECK_THAT(text, Contains(base + ":2:15: model.num_layers: found '0'"));
  CHECK_THAT(text, Contains(run + ":2:1: unknown key 'lrr'; did you mean 'lr'?"));
}

TEST_CASE("what is not a regular file of at most 1 MiB is refused without hanging", "[config]") {
  const Folder folder;
  REQUIRE(mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  for (const std::string& path :
       {folder.at("pipe"), folder.at(""), std::string("/dev/zero"), folder.at("absent"),
        folder.write("big", std::string(1 << 21, '#'))}) {
    const Error e = file_error(path);
    INFO(e.what());
    CHECK(e.id() == "C17");
    CHECK(e.code() == ExitCode::config);
  }
  CHECK(file_error(folder.write("empty", "")).id() == "C20");
}

TEST_CASE("bad overrides are refused with their text", "[config]") {
  struct Row {
    std::string option, message;
  };
  const Row rows[] = {
      {"lr", "command line: 'lr': wanted key.sub=value"},
      {"=1", "command line: '=1': wanted key.sub=value"},
      {"a..b=1", "wanted key.sub=value"},
      {"1a=2", "wanted key.sub=value"},
      {"a.b.=1", "wanted key.sub=value"},
      {"", "wanted key.sub=value"},
      {"--lr=1", "wanted key.sub=value"},
      {"+lr=1", "all keys are declared"},
      {"++lr=1", "all keys are declared"},
      {"~lr=1", "wanted ~key.sub without a value"},
      {"~lrr", "unknown key 'lrr'; did you mean 'lr'?"},
      {"model=1", "'model' is a section"},
      {"model.num_layerz=1", "unknown key 'model.num_layerz'; did you mean 'model.num_layers'?"},
      {"model.num_layers=010", "'model.num_layers=010': model.num_layers: found '010', wanted a"},
      {"model.num_layers=", "found '', wanted a whole number in 1 .. 4096"},
      {"data.weights=3", "found '3', wanted a list of numbers"},
      {"data.weights=[1, x]", "found 'x'"},
      {"data.weights=[1", "found '[1'"},
      {"data.weights=[[1]]", "found a list or mapping in the list"},
      {"data.note=\x1b[31m", "command line: 'data.note=\\x1b[31m'"},
      {"include=[x]", "unknown key 'include'"},
  };
  for (const Row& row : rows) {
    INFO(row.option);
    const Error e = error_in("{}\n", {row.option});
    CHECK(e.code() == ExitCode::config);
    CHECK_THAT(e.what(), Contains(row.message));
  }
  CHECK(error_in("{}\n", {"--set"}).id() == "C21");
}

TEST_CASE("later overrides win and sections go back to their defaults as a whole", "[config]") {
  const Run r =
      from_text("model: {num_layers: 2, hidden_size: 3}\n",
                {"lr=0.1", "lr=0.2", "model.num_layers=5", "~model", "model.hidden_size=9"});
  CHECK(r.lr == 0.2);
  CHECK(r.model.num_layers == 12);
  CHECK(r.model.hidden_size == 9);
  CHECK(from_text("{}\n", {"data.names=[a b, \"c, d\"]"}).data.names ==
        std::vector<std::string>{"a b", "c, d"});
  CHECK(from_text("data: {weights: [1]}\n", {"data.weights=[]"}).data.weights.empty());
}

TEST_CASE("references take the final value of a key and of the environment", "[config]") {
  const Variable root("ECH_TEST_ROOT", "/scratch");
  Settings s;
  const Run r = from_text(
      "checkpoint: {save: \"${env:ECH_TEST_ROOT}/l${model.num_layers}-${env:ECH_TEST_NOT,x,y}\"}\n"
      "data: {note: \"$${x} $ ${oc.env:ECH_TEST_ROOT}\", weights: \"${data.splits}\"}\n"
      "train: {micro_batch_size: \"${model.num_layers}\"}\n",
      {"model.num_layers=32", "data.names=[\"${lr}\", b]"}, &s);
  CHECK(r.checkpoint.save == "/scratch/l32-x,y");
  CHECK(r.data.note == "${x} $ /scratch");
  CHECK(r.data.weights == std::vector<double>{969, 30, 1});
  CHECK(r.train.micro_batch_size == 32);
  CHECK(r.data.names == std::vector<std::string>{"0.0003", "b"});
  CHECK(s.environment == std::vector<std::string>{"ECH_TEST_NOT", "ECH_TEST_ROOT"});
}

TEST_CASE("text from the environment is not expanded again", "[config]") {
  const Variable evil("ECH_TEST_EVIL", "${env:HOME}");
  CHECK(from_text("data: {note: \"${env:ECH_TEST_EVIL}\"}\n").data.note == "${env:HOME}");
}

TEST_CASE("bad references are refused with place and reason", "[config]") {
  struct Row {
    std::string value, message;
  };
  const Row rows[] = {
      {"${data.note}", "circle of references: data.note -> data.note"},
      {"${checkpoint.save}", "circle of references: data.note -> checkpoint.save -> data.note"},
      {"${env:ECH_TEST_ABSENT}", "environment variable ECH_TEST_ABSENT is not set"},
      {"${lr", "found '${' without '}'"},
      {"${model.num_layer}", "'${model.num_layer}' names no key; did you mean 'model.num_layers'?"},
      {"${model}", "'${model}' names a section"},
      {"${env:1X}", "wanted ${env:NAME}"},
      {"${env:}", "wanted ${env:NAME}"},
      {"${}", "names no key"},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    const std::string text = fmt::format(
        "checkpoint: {{save: \"${{data.note}}\"}}\ndata: {{note: \"{}\"}}\n", row.value);
    CHECK_THAT(error_in(text).what(), Contains(row.message));
    CHECK_THAT(error_in(text).what(), Contains("run.yaml:2:14: data.note: "));
  }
  const Error e =
      error_of([] { from_text("data: {note: \"${env:HOME}\"}\n", {}, nullptr, false); });
  CHECK_THAT(e.what(), Contains("forbidden by --no-env"));
}

TEST_CASE("references that double at every step are bounded", "[config]") {
  const std::string names[] = {"data.note", "checkpoint.save"};
  const std::string many = std::string(100'000, 'x');
  std::string text = "checkpoint: {save: \"" + many + "\"}\ndata: {note: \"";
  for (int i = 0; i < 50; ++i) text += "${" + names[1] + "}";
  CHECK(error_in(text + "\"}\n").id() == "C14");
}
