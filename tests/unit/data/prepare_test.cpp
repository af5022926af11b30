#include "echelon/data/prepare.h"

#include <catch2/catch.hpp>

#include "data_support.h"
#include "echelon/data/inspect.h"
#include "echelon/data/loader.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;
using Catch::Matchers::Contains;

namespace {

std::vector<int32_t> all_tokens(const TokenFile& file) {
  std::vector<int32_t> out(static_cast<size_t>(file.tokens()));
  file.read(0, out, 0);
  return out;
}
PrepareOptions options_of(const std::string& output, std::vector<std::string> inputs) {
  PrepareOptions o;
  o.inputs = std::move(inputs);
  o.output = output;
  return o;
}

}  // namespace

TEST_CASE("Text files, JSON Lines and folders become documents in order", "[data]") {
  const Folder folder;
  std::filesystem::create_directories(folder / "in/.hidden");
  spill(folder / "in/b.txt", "bb");
  spill(folder / "in/a.jsonl",
        "{\"text\": \"a\\u00e9\"}\n\n  \n{\"text\": \"\"}\n{\"text\": \"c\", \"id\": 3}");
  spill(folder / "in/binary", std::string("\0\1", 2));
  spill(folder / "in/.hidden/x.txt", "never");
  spill(folder / "last.txt", "z");
  const auto report = prepare(options_of(folder / "out", {folder / "in", folder / "last.txt"}));
  CHECK(report.documents == 4);
  CHECK(report.empty_documents == 1);
  CHECK(report.skipped_files == 1);
  CHECK(report.bytes == 3 + 1 + 2 + 1);
  CHECK(report.tokens == 7 + 4);
  const auto file = open_token_file(folder / "out");
  CHECK(file->documents() == 4);
  CHECK(file->type() == TokenType::u16);
  CHECK(all_tokens(*file) ==
        std::vector<int32_t>{'a', 0xC3, 0xA9, 256, 'c', 256, 'b', 'b', 256, 'z', 256});
}

TEST_CASE("A separator cuts a text file into documents, also across blocks", "[data]") {
  const Folder folder;
  std::string text, joined;
  std::vector<int32_t> expected;
  for (int d = 0; d < 3000; ++d) {
    const std::string document(static_cast<size_t>(700 + d % 13), static_cast<char>('a' + d % 26));
    text += document + "\n%%\n";
    for (const char c : document) expected.push_back(c);
    expected.push_back(256);
  }
  text.resize(text.size() - 4);
  spill(folder / "t.txt", text);
  auto options = options_of(folder / "out", {folder / "t.txt"});
  options.document_separator = "\n%%\n";
  CHECK(prepare(options).documents == 3000);
  CHECK(all_tokens(*open_token_file(folder / "out")) == expected);
}

TEST_CASE("A text larger than a block encodes as in one piece, on any number of threads",
          "[data]") {
  const Folder folder;
  std::string text;
  for (int i = 0; text.size() < (5u << 20); ++i)
    text += "line " + std::to_string(i * 7919 % 1000003) +
            (i % 9 ? " caf\xC3\xA9 isn't\n" : "\n\n   \tdone. ");
  spill(folder / "t.txt", text);
  const auto tokenizer = load_tokenizer(golden("tokenizer/gpt2.json"));
  auto expected = tokenizer->encode(text);
  expected.push_back(tokenizer->end_of_text());
  for (const int64_t threads : {1, 3}) {
    auto options = options_of(folder / "out", {folder / "t.txt"});
    options.tokenizer.type = TokenizerKind::file;
    options.tokenizer.file = golden("tokenizer/gpt2.json");
    options.threads = threads;
    int calls = 0;
    const auto report = prepare(options, [&](const PrepareProgress& p) {
      ++calls;
      CHECK(p.total_bytes == static_cast<int64_t>(text.size()));
    });
    CHECK(calls >= 1);
    CHECK(report.documents == 1);
    CHECK(all_tokens(*open_token_file(folder / "out")) == expected);
  }
}

TEST_CASE("A tokenizer trained while preparing is saved beside the data and finds its way back",
          "[data]") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += "the cat sat on the mat number " + std::to_string(i % 17) + "\n";
  spill(folder / "t.txt", text);
  auto options = options_of(folder / "out", {folder / "t.txt"});
  options.train_vocab = 300;
  const auto report = prepare(options);
  CHECK(report.vocab_size <= 300);
  CHECK(report.bytes_per_token > 2.5);

  DataConfig config;
  config.data_path = {folder / "out"};
  config.split = {1};
  const auto tokenizer = find_tokenizer(config);
  CHECK(tokenizer->vocab_size() == report.vocab_size);
  auto ids = all_tokens(*open_token_file(folder / "out"));
  CHECK(ids.back() == tokenizer->end_of_text());
  ids.pop_back();
  CHECK(tokenizer->decode(ids) == text);

  const auto host = make_cpu_allocator();
  const Loader loader(config, {Split::train, 16, report.vocab_size, 1, 0}, *host);
  CHECK(loader.bytes_per_token().value() == Approx(report.bytes_per_token));
  CHECK(loader.tokenizer_digest() == tokenizer->digest());

  make_byte_tokenizer()->save(folder / "out.tokenizer.json");
  CHECK(failure_of([&] { find_tokenizer(config); }).id == "C9");
  std::filesystem::remove(folder / "out.tokenizer.json");
  CHECK_THAT(failure_of([&] { find_tokenizer(config); }).text, Contains("data.tokenizer"));
  config.tokenizer.type = TokenizerKind::byte;
  CHECK(find_tokenizer(config)->name() == "byte");
}

TEST_CASE("All output formats hold the same text", "[data]") {
  const Folder folder;
  spill(folder / "t.txt", "hello\nworld");
  for (const auto format : {FileFormat::megatron, FileFormat::llmc, FileFormat::raw_u16}) {
    auto options = options_of(folder / "out", {folder / "t.txt"});
    options.format = format;
    const auto report = prepare(options);
    const auto summary = inspect_token_file(report.files.front().string(), {.format = format});
    CHECK(summary.tokens == 12);
    CHECK(summary.least_id == '\n');
    CHECK(summary.greatest_id == 256);
    CHECK(summary.vocab_size == 257);
    CHECK(summary.outside == 0);
    CHECK_THAT(summary.text, Contains("hello\\x0aworld") && Contains("<|endoftext|>"));
    CHECK_THAT(to_text(summary), Contains("all ids inside"));
    for (const auto& path : report.files) std::filesystem::remove(path);
  }
}

TEST_CASE("Inspection counts ids outside the vocabulary and shows the first", "[data]") {
  const Folder folder;
  write_documents(folder / "t", {{1, 2, 3}, {}, {50, 4, 60}}, {.vocab_size = 100});
  const auto summary = inspect_token_file(folder / "t", {.vocab_size = 50});
  CHECK(summary.outside == 2);
  CHECK(summary.empty == 1);
  CHECK(summary.longest == 3);
  CHECK_THAT(summary.first_outside, Contains("document 2, token 0 of it") && Contains("id 50"));
  CHECK_THAT(to_text(summary), Contains("2 ids OUTSIDE"));
}

TEST_CASE("Inputs that hold no text or are broken write nothing", "[data]") {
  const Folder folder;
  spill(folder / "empty.txt", "");
  spill(folder / "bad.jsonl", "{\"text\": \"ok\"}\n{\"text\": oops}\n");
  spill(folder / "key.jsonl", "{\"body\": \"ok\"}\n");
  const auto refused = [&](const std::string& input) {
    const auto failure = failure_of([&] { prepare(options_of(folder / "out", {input})); });
    CHECK(failure.code == ExitCode::data);
    for (const auto& entry : std::filesystem::directory_iterator(folder / ""))
      CHECK_FALSE(entry.path().filename().string().starts_with("out"));
    return failure.text;
  };
  CHECK_THAT(refused(folder / "empty.txt"), Contains("no text"));
  CHECK_THAT(refused(folder / "bad.jsonl"), Contains("bad.jsonl: line 2"));
  CHECK_THAT(refused(folder / "key.jsonl"), Contains("line 1") && Contains("\"text\""));
  CHECK_THAT(refused(folder / "none.txt"), Contains("none.txt"));
}
