#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <regex>

#include "echelon/base/philox.h"
#include "echelon/base/text.h"
#include "echelon/config/tools.h"
#include "tests/support/golden.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;
using Catch::Matchers::Contains;

namespace {

Settings settings_from(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Settings s;
  from_text(text, overrides, &s);
  return s;
}

bool same_values(const Settings& a, const Settings& b) {
  return a.items.size() == b.items.size() && diff(a, b).empty();
}

/// The part of JSON Schema draft-07 that our schema uses.
bool valid(const nlohmann::json& schema, const nlohmann::json& value) {
  const auto is = [&](const std::string& type) {
    return type == "object"    ? value.is_object()
           : type == "array"   ? value.is_array()
           : type == "string"  ? value.is_string()
           : type == "boolean" ? value.is_boolean()
           : type == "integer" ? value.is_number_integer()
                               : value.is_number();
  };
  for (const auto& [word, rule] : schema.items()) {
    bool good = true;
    if (word == "type" && rule.is_string()) good = is(rule);
    if (word == "type" && rule.is_array())
      good = std::any_of(rule.begin(), rule.end(), [&](const auto& t) { return is(t); });
    if (word == "enum") good = std::find(rule.begin(), rule.end(), value) != rule.end();
    if (word == "anyOf")
      good = std::any_of(rule.begin(), rule.end(), [&](const auto& s) { return valid(s, value); });
    if (word == "minimum" && value.is_number()) good = value.get<double>() >= rule.get<double>();
    if (word == "maximum" && value.is_number()) good = value.get<double>() <= rule.get<double>();
    if (word == "pattern" && value.is_string())
      good = std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
    if (word == "items" && value.is_array())
      good = std::all_of(value.begin(), value.end(), [&](const auto& v) { return valid(rule, v); });
    if (word == "properties" && value.is_object())
      for (const auto& [key, v] : value.items())
        good = good && rule.contains(key) && valid(rule[key], v);
    if (!good) return false;
  }
  return true;
}

/// What a YAML 1.2 editor makes of a plain scalar.
nlohmann::json plain(const std::string& s) {
  if (s == "true" || s == "false") return s == "true";
  if (std::regex_match(s, std::regex("[-+]?[0-9]+"))) return std::stoll(s);
  if (std::regex_match(s, std::regex("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?")))
    return std::stod(s);
  return s;
}

nlohmann::json nested(const std::string& path, nlohmann::json value) {
  auto parts = text::split(path, '.');
  for (auto p = parts.rbegin(); p != parts.rend(); ++p) value = nlohmann::json{{*p, value}};
  return value;
}

}  // namespace

TEST_CASE("the resolved configuration is valid input with the same result", "[config]") {
  const std::string inputs[] = {
      "{}\n", "model: {num_layers: 3, activation: swiglu}\nlr: 1e-05\ntrain: {exit_after: 1h30m}\n",
      "data: {note: \"a # b: {c} \\\" \\\\ ' $${x} é\", names: [\"1\", yes, \"$${y}\", \", \"]}\n",
      "data: {note: \"true\", weights: [1e-7, 0.1, 3], splits: []}\ndevice_limit: 1.5GB\n",
      "checkpoint: {save: '/a b/ü', writer: {async_save: false}}\ntrain: {train_tokens: 1.5B}\n"};
  for (const std::string& input : inputs) {
    const Settings first = settings_from(input, {"train.micro_batch_size=4"});
    for (const bool origins : {true, false}) {
      const std::string text = resolved_yaml(first, origins);
      INFO(text);
      const Settings again = settings_from(text);
      CHECK(same_values(first, again));
      CHECK(digest(first) == digest(again));
      CHECK(resolved_yaml(again, false) == resolved_yaml(first, false));
    }
  }
}

TEST_CASE("random texts survive the resolved configuration", "[config]") {
  const Philox rng{11, make_stream(Draw::test, 0, 0, 1)};
  const std::string alphabet = "ab01${}[]:,#'\"\\!&*?|>-%@` ~=._/";
  uint64_t draw = 0;
  for (int round = 0; round < 300; ++round) {
    Run run;
    const auto random_text = [&] {
      std::string s;
      for (uint32_t n = rng.below(draw++, 12); n > 0; --n)
        s += alphabet[rng.below(draw++, static_cast<uint32_t>(alphabet.size()))];
      return s;
    };
    run.data.note = random_text();
    run.data.names = {random_text(), random_text()};
    const std::string text = resolved_yaml(settings_of(run), round % 2 == 0);
    INFO(text);
    const Run again = from_text(text);
    CHECK(again.data.note == run.data.note);
    CHECK(again.data.names == run.data.names);
  }
}

TEST_CASE("every line of the resolved configuration tells its origin", "[config]") {
  setenv("ECH_TEST_NOTE", "hi", 1);
  const Settings s = settings_from(
      "model:\n  num_layers: 24\ndata: {note: \"${env:ECH_TEST_NOTE}\"}\n", {"lr=0.5"});
  unsetenv("ECH_TEST_NOTE");
  const std::string text = resolved_yaml(s);
  CHECK_THAT(text, Contains("# environment: ECH_TEST_NOTE\n"));
  for (const std::string& line : text::split(text, '\n')) {
    if (line.empty() || line.ends_with(':') || line.starts_with('#')) continue;
    INFO(line);
    const bool told = line.ends_with("# default") || line.ends_with("# command line") ||
                      line.find("# run.yaml:") != std::string::npos;
    CHECK(told);
  }
  CHECK_THAT(text, Contains("num_layers: 24") && Contains("# run.yaml:2\n"));
}

TEST_CASE("digests depend on values alone, and the resume digest on what must match", "[config]") {
  const Settings base = settings_from("lr: 0.001\ntrain: {train_tokens: 1500M}\n");
  CHECK(digest(base) == digest(settings_from("{train: {train_tokens: 1.5B}}\n", {"lr=1e-3"})));
  CHECK(digest(base).size() == 64);
  const Settings length = settings_from("lr: 0.001\ntrain: {train_tokens: 2B}\n");
  CHECK(digest(base) != digest(length));
  CHECK(resume_digest(base) == resume_digest(length));
  const Settings writer = settings_from("lr: 0.001\ncheckpoint: {writer: {async_save: false}}\n");
  CHECK(resume_digest(base) == resume_digest(writer));
  const Settings rate = settings_from("lr: 0.002\n");
  CHECK(resume_digest(base) != resume_digest(rate));
  CHECK(diff(length, rate, true) == "lr: 0.001 -> 0.002\n");
  // What must match is independent of the order of declaration and pinned.
  CHECK(canonical(settings_of(Nested{})) == "async_save = true\n");
  CHECK(digest(settings_of(Nested{})) ==
        "910741c00b2420da68f6c6136641058167f05ca05b76f313607ca012b66c27a8");
}

TEST_CASE("diff lists differing keys only", "[config]") {
  const Settings a = settings_from("{}\n");
  CHECK(diff(a, a).empty());
  CHECK(diff(a, settings_from("model: {num_layers: 3}\ndata: {note: x y}\n")) ==
        "model.num_layers: 12 -> 3\ndata.note: \"\" -> \"x y\"\n");
}

TEST_CASE("help and the reference page come from the declarations", "[config]") {
  const Settings s = settings_of(Run{});
  const std::string one = help(s, "model.num_layers");
  CHECK_THAT(one, Contains("Number of transformer blocks.") && Contains("whole number") &&
                      Contains("default:   12") && Contains("1 .. 4096") && Contains("must match"));
  CHECK_THAT(help(s, "train"), Contains("train.exit_after") && !Contains("model."));
  const Error e = error_of([&] { help(s, "model.num_layer"); });
  CHECK(e.code() == ExitCode::config);
  CHECK_THAT(e.what(), Contains("did you mean 'model.num_layers'?"));
  const std::string page = markdown(s), all = help_all(s);
  for (const Setting& item : s.items) {
    CHECK_THAT(page, Contains(fmt::format("| `{}` |", item.key.last())) && Contains(item.key.doc));
    CHECK_THAT(all, Contains(item.key.path));
  }
  for (const Section& section : s.sections) CHECK_THAT(page, Contains("## `" + section.path + "`"));
}

TEST_CASE("the schema accepts every spelling that the reader accepts", "[config]") {
  const nlohmann::json schema = json_schema(settings_of(Run{}));
  CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
  CHECK(schema["additionalProperties"] == false);
  std::vector<std::string> spellings = {"1", "0.5", "gelu", "swiglu", "a b", "12", "true", "3"};
  const auto table = echelon::test::golden_case("config_scalars", "scalars");
  for (const auto& row : table.at("good")) spellings.push_back(row[1]);
  int accepted = 0;
  for (const Setting& s : settings_of(Run{}).items)
    for (const std::string& spelling : spellings) {
      const bool list = s.value.index() >= 4;
      const std::string option =
          fmt::format(fmt::runtime(list ? "{}=[{}]" : "{}={}"), s.key.path, spelling);
      if (error_in("{}\n", {option}).code() != ExitCode::ok) continue;
      const nlohmann::json value = plain(spelling);
      INFO(option);
      CHECK(valid(schema, nested(s.key.path, list ? nlohmann::json::array({value}) : value)));
      ++accepted;
    }
  CHECK(accepted > 100);
  CHECK(valid(schema, nested("model.num_layers", "${train.micro_batch_size}")));
  CHECK(valid(schema, nested("data.weights", "${data.splits}")));
  CHECK(valid(schema, {{"include", {"a.yaml"}}}));
}

TEST_CASE("the schema refuses what is plainly wrong and holds the defaults", "[config]") {
  const nlohmann::json schema = json_schema(settings_of(Run{}));
  const nlohmann::json wrong[] = {nested("model.num_layer", 3),
                                  nested("model.num_layers", 0),
                                  nested("model.num_layers", "x"),
                                  nested("device_limit", "80G"),
                                  nested("device_limit", -1),
                                  nested("model.activation", "relu"),
                                  nested("train.exit_after", "90"),
                                  nested("train.exit_after", 90),
                                  nested("data.weights", 1),
                                  nested("data.weights", {-1}),
                                  nested("lr", 2),
                                  nested("lr", true),
                                  nested("train.train_tokens", "3k"),
                                  nested("model", 3),
                                  nested("include", "x"),
                                  nested("checkpoint.writer.async_save", "yes")};
  for (const auto& value : wrong) {
    INFO(value.dump());
    CHECK_FALSE(valid(schema, value));
  }
  const auto& layers = schema["properties"]["model"]["properties"]["num_layers"];
  CHECK(layers["default"] == 12);
  CHECK(layers["description"] == "Number of transformer blocks.");
  CHECK(schema["properties"]["data"]["properties"]["splits"]["default"] ==
        nlohmann::json({969, 30, 1}));
  CHECK(schema["properties"]["train"]["properties"]["exit_after"]["default"] == "0s");
}
