#include <catch2/catch.hpp>
#include <cstring>

#include "data_support.h"
#include "echelon/data/token_file.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;
using Catch::Matchers::Contains;

namespace {

const std::vector<std::vector<int32_t>> kToy{{11, 12, 13, 14, 0},         {21, 22, 0},
                                             {31, 32, 33, 34, 35, 36, 0}, {41, 0},
                                             {51, 52, 53, 54, 55, 0},     {56, 57, 0}};

std::vector<int32_t> all_tokens(const TokenFile& file, int64_t vocab_size = 0) {
  std::vector<int32_t> out(static_cast<size_t>(file.tokens()));
  file.read(0, out, vocab_size);
  return out;
}

void write_toy(TokenWriter& writer) {
  for (size_t i = 0; i < kToy.size(); ++i) {
    writer.append(kToy[i]);
    if (i == 4) {
      writer.end_sequence();  // the last document has two sequences
      continue;
    }
    writer.end_document();
  }
}

}  // namespace

TEST_CASE("Megatron toy sets read as written by the reference", "[data]") {
  const auto io = GENERATE(FileIo::pread, FileIo::mmap);
  const auto narrow = open_token_file(golden("data/toy_text_document"), FileFormat::automatic, io);
  const auto wide =
      open_token_file(golden("data/toy32_text_document.bin"), FileFormat::automatic, io);
  CHECK(narrow->type() == TokenType::u16);
  CHECK(wide->type() == TokenType::i32);
  for (const auto& file : {narrow, wide}) {
    CHECK(file->format() == FileFormat::megatron);
    REQUIRE(file->sequences() == 6);
    REQUIRE(file->documents() == 5);
    CHECK(file->document_begin(4) == 4);
    std::vector<int32_t> flat;
    for (size_t i = 0; i < kToy.size(); ++i) {
      CHECK(file->sequence_length(static_cast<int64_t>(i)) == static_cast<int64_t>(kToy[i].size()));
      flat.insert(flat.end(), kToy[i].begin(), kToy[i].end());
    }
    CHECK(all_tokens(*file) == flat);
  }
}

TEST_CASE("The Megatron writer gives the reference's bytes", "[data]") {
  const Folder folder;
  for (const auto& [name, vocab] :
       {std::pair<std::string, int64_t>{"toy", 100}, {"toy32", 70000}}) {
    const auto writer = make_token_writer(folder / name, {.vocab_size = vocab});
    write_toy(*writer);
    CHECK_FALSE(std::filesystem::exists(folder / (name + ".idx")));
    writer->finish();
    for (const std::string extension : {".bin", ".idx"})
      CHECK(slurp(folder / (name + extension)) ==
            slurp(golden("data/" + name + "_text_document" + extension)));
  }
}

TEST_CASE("A writer dropped before its end leaves no file", "[data]") {
  const Folder folder;
  for (const auto format : {FileFormat::megatron, FileFormat::llmc, FileFormat::raw_u16}) {
    make_token_writer(folder / "x", {.format = format, .vocab_size = 100})->append(kToy[0]);
    CHECK(std::filesystem::is_empty(std::filesystem::path(folder / "x").parent_path()));
  }
}

TEST_CASE("llm.c shards and raw streams read as written by the reference", "[data]") {
  const auto expected = golden_json("data/shards.json");
  const auto tokens = expected["tokens"].get<std::vector<int32_t>>();
  const auto shard = open_token_file(golden("data/toy_val_000000.bin"));
  CHECK(shard->format() == FileFormat::llmc);
  CHECK(all_tokens(*shard) == tokens);
  const auto wide = open_token_file(golden("data/toy32_val_000000.bin"));
  CHECK(wide->type() == TokenType::u32);
  CHECK(all_tokens(*wide) == expected["tokens32"].get<std::vector<int32_t>>());
  const auto raw = open_token_file(golden("data/raw_u16.bin"), FileFormat::raw_u16);
  CHECK(all_tokens(*raw) == tokens);
  CHECK_THAT(failure_of([] { open_token_file(golden("data/raw_u16.bin")); }).text,
             Contains("raw_u16"));
}

TEST_CASE("llm.c shards are written as the reference writes them and read together by a glob",
          "[data]") {
  const Folder folder;
  const auto tokens = golden_json("data/shards.json")["tokens"].get<std::vector<int32_t>>();
  write_documents(folder / "one", {tokens}, {.format = FileFormat::llmc, .vocab_size = 50257});
  CHECK(slurp(folder / "one_val_000000.bin") == slurp(golden("data/toy_val_000000.bin")));

  write_documents(
      folder / "many", {{1, 2, 3, 4}, {}, {5, 6, 7}},
      {.format = FileFormat::llmc, .vocab_size = 70000, .end_of_text = 9, .shard_tokens = 4});
  const auto file = open_token_file(folder / "many_*.bin");
  CHECK(file->parts().size() == 3);
  CHECK(all_tokens(*file) == std::vector<int32_t>{4, 9, 9, 5, 6, 7, 9, 1, 2, 3});
  std::vector<int32_t> seam(3);  // over the border of two shards
  file->read(3, seam, 10);
  CHECK(seam == std::vector<int32_t>{5, 6, 7});
}

TEST_CASE("Ends of text stand after each document of Megatron files and raw streams", "[data]") {
  const Folder folder;
  for (const auto format : {FileFormat::megatron, FileFormat::raw_u16}) {
    write_documents(folder / "x", {{1, 2}, {}, {3}},
                    {.format = format, .vocab_size = 10, .end_of_text = 9});
    const auto file = open_token_file(folder / "x.bin", format);
    CHECK(all_tokens(*file) == std::vector<int32_t>{1, 2, 9, 9, 3, 9});
  }
}

TEST_CASE("fault_D1_D2 a file cut anywhere is refused with its name", "[data]") {
  const Folder folder;
  for (const std::string extension : {".bin", ".idx"}) {
    const std::string index = slurp(golden("data/toy_text_document.idx"));
    const std::string tokens = slurp(golden("data/toy_text_document.bin"));
    const size_t whole = extension == ".bin" ? tokens.size() : index.size();
    for (size_t cut = 0; cut < whole; ++cut) {
      spill(folder / "t.bin", extension == ".bin" ? tokens.substr(0, cut) : tokens);
      spill(folder / "t.idx", extension == ".idx" ? index.substr(0, cut) : index);
      const auto failure = failure_of([&] { open_token_file(folder / "t"); });
      CAPTURE(extension, cut, failure.text);
      CHECK(failure.code == ExitCode::data);
      CHECK_THAT(failure.text, Contains(extension == ".bin" ? folder / "t.bin" : folder / "t"));
    }
  }
  const std::string shard = slurp(golden("data/toy_val_000000.bin"));
  for (size_t cut = 4; cut < shard.size(); ++cut) {
    spill(folder / "s.bin", shard.substr(0, cut));
    CHECK(failure_of([&] { open_token_file(folder / "s.bin"); }).code == ExitCode::data);
  }
  spill(folder / "s.bin", shard + '\0');
  CHECK(failure_of([&] { open_token_file(folder / "s.bin"); }).id == "D1");
  spill(folder / "odd.bin", "abc");
  CHECK(failure_of([&] { open_token_file(folder / "odd.bin", FileFormat::raw_u16); }).id == "D1");
}

TEST_CASE("fault_D5_D6_D7 every byte of an index changed is refused or only moves a border",
          "[data]") {
  const Folder folder;
  const std::string index = slurp(golden("data/toy_text_document.idx"));
  spill(folder / "t.bin", slurp(golden("data/toy_text_document.bin")));
  for (size_t at = 0; at < index.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string bad = index;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      spill(folder / "t.idx", bad);
      std::shared_ptr<const TokenFile> file;
      const auto failure = failure_of([&] { file = open_token_file(folder / "t"); });
      CAPTURE(at, flip, failure.text);
      const bool document_entry = at >= 34 + 12 * 6;
      if (!document_entry) {
        CHECK(failure.code == ExitCode::data);
        CHECK_THAT(failure.text, Contains(folder / "t"));
      } else if (file) {
        for (int64_t d = 0; d < file->documents(); ++d)
          CHECK(file->document_begin(d) <= file->document_begin(d + 1));
        CHECK(file->document_begin(file->documents()) == 6);
      }
    }
}

TEST_CASE("fault_D5 counts near 2^64 are refused without memory for them", "[data]") {
  const Folder folder;
  const std::string index = slurp(golden("data/toy_text_document.idx"));
  spill(folder / "t.bin", slurp(golden("data/toy_text_document.bin")));
  for (const size_t at : {size_t{18}, size_t{26}})
    for (const uint64_t lie : {uint64_t{0}, uint64_t{5}, uint64_t{1} << 40, uint64_t{1} << 61,
                               ~uint64_t{0}, ~uint64_t{0} / 12 + 1}) {
      std::string bad = index;
      std::memcpy(bad.data() + at, &lie, 8);
      spill(folder / "t.idx", bad);
      const auto failure = failure_of([&] { open_token_file(folder / "t"); });
      CAPTURE(at, lie, failure.text);
      CHECK(failure.code == ExitCode::data);
    }
}

TEST_CASE("fault_D3 an id outside the vocabulary is named with file, document, position and byte",
          "[data]") {
  const Folder folder;
  for (const int32_t bad : {100, 65535}) {
    write_documents(folder / "t", {{1, 2, 3}, {4, bad, 5}}, {.vocab_size = 65499});
    const auto file = open_token_file(folder / "t");
    std::vector<int32_t> out(4);
    CHECK_NOTHROW(file->read(0, out, 100));
    const auto failure = failure_of([&] { file->read(2, out, 100); });
    CHECK(failure.id == "D3");
    CHECK_THAT(failure.text, Contains("t.bin: document 1, token 1 of it, byte 8") &&
                                 Contains(std::to_string(bad)));
  }
  write_documents(folder / "w", {{1, 2}}, {.vocab_size = 70000});
  std::string raw = slurp(folder / "w.bin");
  raw[7] = '\x80';  // the second i32 becomes negative
  spill(folder / "w.bin", raw);
  std::vector<int32_t> out(2);
  CHECK(failure_of([&] { open_token_file(folder / "w")->read(0, out, 0); }).id == "D3");
}

TEST_CASE("fault_D9 a file cut while in use is an error, not zeros", "[data]") {
  const Folder folder;
  write_counting(folder / "t", 4096);
  const auto file = open_token_file(folder / "t");
  std::filesystem::resize_file(folder / "t.bin", 4000);
  std::vector<int32_t> out(64);
  CHECK_NOTHROW(file->read(1000, out, 4096));
  CHECK(failure_of([&] { file->read(1990, out, 4096); }).id == "D9");
}

TEST_CASE("fault_D4 empty documents are kept and an empty set opens", "[data]") {
  const Folder folder;
  write_documents(folder / "t", {{}, {1}, {}, {}, {2, 3}, {}}, {.vocab_size = 10});
  const auto file = open_token_file(folder / "t");
  CHECK(file->documents() == 6);
  CHECK(all_tokens(*file, 10) == std::vector<int32_t>{1, 2, 3});
  CHECK_THAT(file->where(1), Contains("document 4, token 0"));
  write_documents(folder / "e", {}, {.vocab_size = 10});
  CHECK(open_token_file(folder / "e")->tokens() == 0);
}

TEST_CASE("fault_D8 the digest notices a changed, longer or exchanged file", "[data]") {
  const Folder folder;
  write_counting(folder / "t", 3000, 100);
  const auto before = digest_of(*open_token_file(folder / "t"));
  CHECK(before.size() == 2);
  CHECK(digest_of(*open_token_file(folder / "t")) == before);
  std::string raw = slurp(folder / "t.bin");
  raw[2345] ^= 1;
  spill(folder / "t.bin", raw);
  const auto after = digest_of(*open_token_file(folder / "t"));
  CHECK(after[0] == before[0]);
  CHECK_FALSE(after[1] == before[1]);
  write_counting(folder / "t", 3001, 100);
  CHECK_FALSE(digest_of(*open_token_file(folder / "t"))[0] == before[0]);
}

TEST_CASE("Paths that name nothing are refused", "[data]") {
  const Folder folder;
  CHECK(failure_of([&] { open_token_file(folder / "none"); }).code == ExitCode::data);
  CHECK(failure_of([&] { open_token_file(folder / "none_*.bin"); }).code == ExitCode::data);
  spill(folder / "text.txt", "just text");
  CHECK_THAT(failure_of([&] { open_token_file(folder / "text.txt"); }).text,
             Contains("echelon prepare"));
}
