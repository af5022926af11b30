#include <catch2/catch.hpp>

#include <string>

#include "src/config/tree.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using namespace std::string_literals;

namespace {
std::string repeated(const std::string& s, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += s;
  return out;
}

struct Row {
  std::string text, id, message;
};

void check_refused(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    const Error e = error_in(row.text);
    INFO(row.text);
    CHECK(e.code() == ExitCode::config);
    CHECK(e.id() == row.id);
    CHECK_THAT(e.what(), Contains(row.message));
    CHECK(std::string(e.what()).find('\x1b') == std::string::npos);
  }
}
}  // namespace

TEST_CASE("documents that mean something else elsewhere are refused with place and id",
          "[config]") {
  check_refused({
      {"", "C20", "run.yaml: found an empty file"},
      {"\n# nothing\n", "C20", "run.yaml: found no keys"},
      {"---\n", "C20", "run.yaml: found no keys"},
      {"~\n", "C20", "run.yaml: found no keys"},
      {"- a\n- b\n", "C20", "run.yaml:1:1: found a list"},
      {"hello\n", "C20", "run.yaml:1:1: found a single value"},
      {"lr: 1\n---\nlr: 2\n", "C20", "found a second document"},
      {"lr: !!float 1\n", "C20", "run.yaml:1:5: found a tag"},
      {"lr: ! 1\n", "C20", "run.yaml:1:5: found a tag"},
      {"# \xc3\xa9\xe2\x82\xac\nlr: ! 1\n", "C20", "run.yaml:2:5: found a tag"},
      {"data: {note: \"\xc3\xa9\", names: ['x", "C20", "not valid YAML"},
      {"data:\n  note: \"x\\\"\n", "C20", "run.yaml:2:9: not valid YAML: found no closing quote"},
      {"lr: !x 1\n", "C20", "run.yaml:1:5: found a tag"},
      {"model: !!map {}\n", "C20", "run.yaml:1:8: found a tag"},
      {"data: {note: !!binary aGk=}\n", "C20", "run.yaml:1:14: found a tag"},
      {"lr: &a 1\n", "C14", "run.yaml:1:5: found an anchor"},
      {"lr: &a 1\ndevice_limit: *a\n", "C14", "found an anchor"},
      {"lr: *a\n", "C14", "aliases are not allowed"},
      {"model: &m\n  num_layers: 1\n  x: *m\n", "C14", "run.yaml:1:8: found an anchor"},
      {"model:\n  <<: {num_layers: 2}\n", "C14", "run.yaml:2:3: found a merge key"},
      {"? [a, b]\n: 1\n", "C20", "found a list or mapping as key"},
      {"? {a: b}\n: 1\n", "C20", "found a list or mapping as key"},
      {"~: 1\n", "C20", "run.yaml:1:1: found an empty key"},
      {": 1\n", "C20", "found an empty key"},
      {"model:\n\tnum_layers: 2\n", "C20", "run.yaml:2:1: found a tab in the indentation"},
      {"model:\n  \tnum_layers: 2\n", "C20", "run.yaml:2:3: found a tab"},
      {"lr: [1\n", "C20", "not valid YAML"},
      {"lr: \"1\n", "C20", "not valid YAML"},
      {"lr: 1\n  model: 2\n", "C20", "not valid YAML"},
  });
}

TEST_CASE("bytes that are no plain text are refused with their offset", "[config]") {
  check_refused({
      {"\xef\xbb\xbflr: 1\n", "C18", "run.yaml:1:1: byte 0: found a byte order mark"},
      {"\xff\xfe"
       "l\0r\0"s,
       "C18", "run.yaml: byte 0: found UTF-16"},
      {"lr: 1\nx: \xff\n", "C18", "run.yaml:2:4: byte 9: found invalid UTF-8 (byte 0xff)"},
      {"data: {note: \xc0\xaf}\n", "C18", "byte 13: found invalid UTF-8"},
      {"data: {note: \xed\xa0\x80}\n", "C18", "byte 13: found invalid UTF-8"},
      {"data: {note: \xf4\x90\x80\x80}\n", "C18", "byte 13: found invalid UTF-8"},
      {"data: {note: \xe2\x82", "C18", "byte 13: found invalid UTF-8"},
      {std::string("lr: 1\0\n", 7), "C18", "byte 5: found a NUL byte"},
      {"lr: 1\x1b[31m\n", "C18", "byte 5: found control character 0x1b"},
      {"lr: 1\rmodel: {}\n", "C18", "byte 5: found a carriage return alone"},
      {"data: {note: \"\xc2\x9b\"}\n", "C18", "byte 14: found control character U+009B"},
      {"data: {note: \"\\x1b[31m\"}\n", "C18", "found '\\x1b[31m'"},
      {"\x7f"
       "ELF\x02\x01",
       "U16", "found a program"},
      {"PK\x03\x04zzzz", "U16", "found a zip archive"},
      {std::string("\x10\0\0\0\0\0\0\0{\"a\":", 13), "U16", "found a safetensors file"},
  });
}

TEST_CASE("a null or absent value is refused and the line of its key is named", "[config]") {
  for (const char* text : {"lr:\n", "lr: ~\n", "lr: null\n", "lr: # later\n"}) {
    const Error e = error_in(text);
    CHECK(e.id() == "C13");
    CHECK_THAT(e.what(), StartsWith("run.yaml:1:1: lr: found nothing, wanted a number in 0 .. 1"));
  }
  CHECK(error_in("model:\nlr: 1\n").id() == "C2");
  CHECK(error_in("data: {weights: [1, ~]}\n").id() == "C2");
  CHECK(error_in("data: {weights: [1, , 2]}\n").code() == ExitCode::config);
  CHECK(from_text("model: {}\n").model.num_layers == 12);
  CHECK(from_text("{}\n").model.num_layers == 12);
  CHECK(from_text("data: {note: \"\"}\n").data.note.empty());
}

TEST_CASE("deep nesting is refused by level, not by exhaustion", "[config]") {
  for (const size_t depth : {17, 100, 499, 500, 5000}) {
    INFO(depth);
    CHECK(error_in("data: " + repeated("[", depth) + repeated("]", depth) + "\n").id() == "C16");
    CHECK(error_in(repeated("{a: ", depth) + "1" + repeated("}", depth) + "\n").id() == "C16");
  }
  std::string block;
  for (size_t i = 0; i < 400; ++i) block += std::string(i, ' ') + "a:\n";
  CHECK(error_in(block).id() == "C16");
  CHECK(error_in("lr: " + repeated("[", 500'000) + repeated("]", 500'000)).id() == "C16");
  // Not closed: the reader may meet the syntax error first, but it must not fall over.
  for (const std::string& flood :
       {"lr: " + std::string(1'000'000, '['), std::string(1'000'000, '{')})
    CHECK_THAT(error_in(flood).what(), StartsWith("run.yaml:1:"));
  CHECK(error_in("lr: " + repeated("- ", 500'000)).code() == ExitCode::config);
}

TEST_CASE("sixteen levels are still read", "[config]") {
  Mistakes mistakes;
  const std::string text = repeated("{a: ", 16) + "1" + repeated("}", 16) + "\n";
  const Node root = parse_yaml(text, "x", mistakes);
  CHECK(mistakes.empty());
  const Node* node = &root;
  int levels = 0;
  for (; node->kind == Node::Kind::map; node = &node->items.at(0)) ++levels;
  CHECK(levels == 16);
}

TEST_CASE("alias bombs and cycles are refused at the first anchor", "[config]") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i)
    bomb +=
        fmt::format("a{}: &a{} [{}*a{}]\n", i, i, repeated(fmt::format("*a{}, ", i - 1), 8), i - 1);
  CHECK(error_in(bomb).id() == "C14");
  CHECK(error_in("model: &m {x: *m}\n").id() == "C14");
}

TEST_CASE("files with too many values or bytes are refused", "[config]") {
  CHECK(error_in("data: {weights: [" + repeated("1,", 10'001) + "]}\n").id() == "C14");
  CHECK(from_text("data: {weights: [" + repeated("1,", 9'000) + "]}\n").data.weights.size() ==
        9000);
  CHECK(error_in("lr: 1 #" + std::string(kMaxBytes, 'x')).id() == "C17");
}

TEST_CASE("duplicate keys name both lines", "[config]") {
  const Error e = error_in("model:\n  num_layers: 1\n  hidden_size: 2\n  num_layers: 3\n");
  CHECK(e.id() == "C4");
  CHECK(
      std::string(e.what()) ==
      "run.yaml:4:3: duplicate key 'model.num_layers', first given in line 2; keep one of the two");
  CHECK(error_in("lr: 1\n\"lr\": 1\n").id() == "C4");
  CHECK(error_in("model: {}\nmodel: {}\n").id() == "C4");
}

TEST_CASE("unusual but plain YAML is read", "[config]") {
  CHECK(from_text("---\nlr: 0.5\n...\n").lr == 0.5);
  CHECK(from_text("lr: 0.5\r\nmodel:\r\n  num_layers: 3\r\n").model.num_layers == 3);
  CHECK(from_text("{\"lr\": 0.5, \"model\": {\"num_layers\": 3}}").model.num_layers == 3);
  CHECK(from_text("lr: 0.5").lr == 0.5);
  CHECK(from_text("data:\n  note: 'a # b'  # c\n").data.note == "a # b");
  CHECK(from_text("data:\n  note: one\n    two\n").data.note == "one two");
  CHECK(from_text("data:\n  note: 010\n").data.note == "010");
  CHECK(from_text("data:\n  names:\n  - x\n  - y\n").data.names.size() == 2);
}
