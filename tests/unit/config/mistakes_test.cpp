#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "echelon/base/text.h"
#include "echelon/config/paths.h"
#include "echelon/config/tools.h"
#include "echelon/config/violations.h"
#include "src/config/other_tools.h"
#include "src/config/suggest.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;
using Catch::Matchers::Contains;

namespace {

Settings sample() { return settings_of(Run{}); }

/// "a.b", "x" -> "a:\n  b: x\n".
std::string nested(const std::string& path, const std::string& value) {
  std::string out, margin;
  const auto parts = text::split(path, '.');
  for (size_t i = 0; i < parts.size(); ++i, margin += "  ")
    out += fmt::format("{}{}:{}\n", margin, parts[i], i + 1 == parts.size() ? " " + value : "");
  return out;
}

std::vector<std::string> typos(const std::string& name) {
  std::vector<std::string> out = {name + "s", name + "_", "x" + name};
  if (name.size() > 3) {
    out.push_back(name.substr(0, name.size() - 1));
    out.push_back(name.substr(1));
    std::string swapped = name;
    std::swap(swapped[1], swapped[2]);
    if (swapped != name) out.push_back(swapped);
  }
  return out;
}

}  // namespace

TEST_CASE("a typo in any key is refused and the right key suggested", "[config]") {
  const Settings settings = sample();
  for (const Setting& s : settings.items) {
    const std::string prefix = s.key.path.substr(0, s.key.path.size() - s.key.last().size());
    for (const std::string& typo : typos(std::string(s.key.last()))) {
      const std::string text = nested(prefix + typo, spelled(s.value, s.key.kind));
      const Error e = error_in(text);
      INFO(text << e.what());
      CHECK(e.id() == "C1");
      CHECK_THAT(e.what(), Contains(fmt::format("unknown key '{}{}'", prefix, typo)));
      CHECK_THAT(e.what(), Contains(fmt::format("did you mean '{}'?", s.key.path)));
    }
  }
}

TEST_CASE("a value of another shape is refused for every key", "[config]") {
  const Settings settings = sample();
  for (const Setting& s : settings.items) {
    const bool list = s.value.index() >= 4;
    const bool textual = s.key.kind == Kind::text || s.key.kind == Kind::path;
    std::vector<std::string> wrong = {"{a: 1}", "~", ""};
    if (!list) wrong.push_back("[1, 2]");
    if (list) wrong.insert(wrong.end(), {"1", "text", "{}", "[[1]]", "[{a: 1}]", "[~]"});
    if (!list && !textual)
      wrong.insert(wrong.end(), {"text with words", "\"\"", "\"12\"", "-3.5.1"});
    for (const std::string& value : wrong) {
      const Error e = error_in(nested(s.key.path, value));
      INFO(s.key.path << ": " << value << " -> " << e.what());
      CHECK(e.code() == ExitCode::config);
      CHECK_THAT(e.what(), Contains(s.key.path + ": found "));
      CHECK_THAT(e.what(), Contains("wanted "));
    }
  }
}

TEST_CASE("every key given twice is refused with both lines", "[config]") {
  for (const Setting& s : sample().items) {
    const std::string value = s.value.index() >= 4 ? "[]" : spelled(s.value, s.key.kind);
    const std::string once = nested(s.key.path, value.empty() ? "x" : value);
    const size_t line = static_cast<size_t>(std::count(once.begin(), once.end(), '\n'));
    const std::string last = once.substr(once.rfind('\n', once.size() - 2) + 1);
    const Error e = error_in(line == 1 ? once + once : once + last);
    CHECK(e.id() == "C4");
    CHECK_THAT(e.what(), Contains(fmt::format("duplicate key '{}', first given in line {}",
                                              s.key.path, line)));
  }
}

TEST_CASE("all mistakes are reported at once, at most twenty", "[config]") {
  const Error e =
      error_in("modle: {num_layers: 3}\nlr: 7\nmodel:\n  num_layers: yes\n  hidden_size: [1]\n");
  const auto lines = text::split(e.what(), '\n');
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[0], Contains("run.yaml:1:1: unknown key 'modle'; did you mean 'model'?"));
  CHECK_THAT(std::string(e.what()),
             Contains("run.yaml:2:5: lr: found '7', wanted a number in 0 .. 1"));
  CHECK_THAT(std::string(e.what()), Contains("run.yaml:4:15: model.num_layers: found 'yes'"));
  CHECK_THAT(std::string(e.what()), Contains("run.yaml:5:16: model.hidden_size: found a list"));
  std::string many;
  for (int i = 0; i < 30; ++i) many += fmt::format("zzzzzzzzzz{}: 1\n", i);
  const Error flood = error_in(many);
  CHECK(text::split(flood.what(), '\n').size() == 21);
  CHECK_THAT(flood.what(), Contains("... and 10 more"));
}

TEST_CASE("suggestions: other tools' names first, then the same last part, then few edits",
          "[config]") {
  const Settings s = sample();
  CHECK(suggestion("n_layer", s) == "did you mean 'model.num_layers'?");
  CHECK(suggestion("model.n_embd", s) == "did you mean 'model.hidden_size'?");
  CHECK(suggestion("optimizer.learning_rate", s) == "did you mean 'lr'?");
  CHECK(suggestion("train_micro_batch_size_per_gpu", s) ==
        "did you mean 'train.micro_batch_size'?");
  CHECK(suggestion("num_layers", s) == "did you mean 'model.num_layers'?");
  CHECK(suggestion("train.num_layers", s) == "did you mean 'model.num_layers'?");
  CHECK(suggestion("model.num_layer", s) == "did you mean 'model.num_layers'?");
  CHECK(suggestion("train.mirco_batch_size", s) == "did you mean 'train.micro_batch_size'?");
  CHECK(suggestion("checkpoint.writer.asyncsave", s) ==
        "did you mean 'checkpoint.writer.async_save'?");
  CHECK(suggestion("zzz.qqqqqq", s).empty());
  CHECK_THAT(suggestion("wandb_project", s), Contains("'wandb_project' of Megatron-LM: "));
  CHECK_THAT(error_in("world_size: 8\n").what(), Contains("comes from the launcher"));
  CHECK_THAT(error_in("model.num_layers: 8\n").what(),
             Contains("write 'model:' and the rest below"));
}

namespace {
struct Kinded {
  std::string type = "x";
  void fields(Fields& f) { f.text("type", type, "Kind."); }
};
struct TwoKinds {
  Kinded data, optimizer;
  void fields(Fields& f) {
    f.group("data", data, "");
    f.group("optimizer", optimizer, "");
  }
};
}  // namespace

TEST_CASE("among equally near names the one of the same section is suggested", "[config]") {
  const Settings s = settings_of(TwoKinds{});
  CHECK(suggestion("optimizer.types", s) == "did you mean 'optimizer.type'?");
  CHECK(suggestion("data.types", s) == "did you mean 'data.type'?");
}

TEST_CASE("other tools' names are unique and lead somewhere", "[config]") {
  std::set<std::string_view> seen;
  for (const ForeignName& entry : foreign_names()) {
    INFO(entry.name);
    CHECK(seen.insert(entry.name).second);
    CHECK((!entry.target.empty() || !entry.note.empty()));
    CHECK_FALSE(entry.tool.empty());
    CHECK(foreign_name(entry.name) == &entry);
    CHECK(entry.target.substr(entry.target.rfind('.') + 1) != entry.name);
  }
  CHECK(foreign_name("no_such_name") == nullptr);
}

namespace {
struct Needed {
  std::string train;
  int64_t layers = 0;
  void fields(Fields& f) {
    f.required("data/train");
    f.path("train", train, "Training data.");
    f.required("12");
    f.integer("layers", layers, {1, 99}, "Blocks.");
  }
};
}  // namespace

TEST_CASE("every missing required key is named with an example", "[config]") {
  const Error e = error_of([] { load_text<Needed>("{}\n", "run.yaml"); });
  CHECK(e.id() == "C3");
  CHECK_THAT(e.what(),
             Contains("train: found nothing, wanted a path; this key has no default: give "
                      "it, for example train=data/train"));
  CHECK_THAT(e.what(), Contains("layers: found nothing, wanted a whole number in 1 .. 99"));
  CHECK(error_of([] { load_text<Needed>("train: x\n", "r"); }).id() == "C3");
  CHECK(load_text<Needed>("{train: x, layers: 3}\n", "r").layers == 3);
}

namespace {
struct BadDefault {
  int64_t n = 0;
  void fields(Fields& f) { f.integer("n", n, {1, 5}, ""); }
};
struct Twice {
  int64_t n = 1;
  void fields(Fields& f) {
    f.integer("n", n, {}, "");
    f.integer("n", n, {}, "");
  }
};
}  // namespace

TEST_CASE("declarations that cannot work are internal errors", "[config]") {
  CHECK(error_of([] { settings_of(BadDefault{}); }).code() == ExitCode::internal);
  CHECK(error_of([] { settings_of(Twice{}); }).code() == ExitCode::internal);
}

TEST_CASE("violations name the place of each key and come out together", "[config]") {
  Settings s;
  from_text("model:\n  num_layers: 7\n", {"model.hidden_size=10"}, &s);
  Violations v(s);
  CHECK_NOTHROW(v.raise_if_any());
  v.add("C6", "model.num_layers", "7", "a multiple of 2 stages", "use 6 or 8");
  v.add("C5", "model.hidden_size", "10", "a multiple of 4");
  v.add("C8", "ranks", "6", "2 x 2 x 1 = 4");
  const Error e = error_of([&] { v.raise_if_any(); });
  CHECK(e.code() == ExitCode::config);
  CHECK(e.id() == "C6");
  CHECK(
      std::string(e.what()) ==
      "run.yaml:2:15: model.num_layers: found 7, wanted a multiple of 2 stages; use 6 or 8\n"
      "command line: 'model.hidden_size=10': model.hidden_size: found 10, wanted a multiple of 4\n"
      "ranks: found 6, wanted 2 x 2 x 1 = 4");
}

TEST_CASE("products that overflow are violations, not wrapped sizes", "[config]") {
  const Settings s = sample();
  using Factors = std::vector<std::pair<std::string_view, int64_t>>;
  const int64_t big[] = {int64_t{1} << 31, INT64_MAX, int64_t{1} << 62};
  for (const int64_t a : big)
    for (const int64_t b : big) {
      Violations v(s);
      const Factors factors = {{"model.num_layers", a}, {"model.hidden_size", b}};
      const bool fits = static_cast<long double>(a) * static_cast<long double>(b) <= 9.2e18L;
      CHECK((v.product(factors, INT64_MAX) != 0) == fits);
      CHECK(v.empty() == fits);
    }
  Violations v(s);
  CHECK(v.product(Factors{{"model.num_layers", 3}, {"model.hidden_size", 4}}, 12) == 12);
  CHECK(v.product(Factors{{"model.num_layers", 3}, {"model.hidden_size", 4}}, 11) == 0);
  CHECK(error_of([&] { v.raise_if_any(); }).id() == "C11");
  CHECK_THAT(
      error_of([&] { v.raise_if_any(); }).what(),
      Contains("model.num_layers = 3 x model.hidden_size = 4, wanted a product of at most 11"));
}
