#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "echelon/base/file.h"
#include "echelon/checkpoint/safetensors.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::checkpoint;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = fs::path(ECHELON_TEST_DATA) / "checkpoint";

std::string raw(const std::string& header, const std::string& data = "") {
  std::string out(8, '\0');
  const uint64_t n = header.size();
  std::memcpy(out.data(), &n, 8);
  return out + header + data;
}

/// Id of the refusal, or "accepted".
std::string refusal(const std::string& content) {
  try {
    parse_safetensors(std::as_bytes(std::span(content)), content.size(), "t.safetensors");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::no_checkpoint);
    CHECK(std::string(e.what()).starts_with("t.safetensors"));
    return e.id();
  }
  return "accepted";
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("a mixed golden file decodes and is written again byte for byte", "[checkpoint]") {
  SafetensorsFile file(kGolden / "mixed.safetensors");
  CHECK(file.metadata().at("format") == "pt");
  std::vector<std::string> names;
  std::vector<std::vector<std::byte>> data;
  for (const TensorEntry& t : file.tensors()) {
    names.push_back(t.name);
    data.emplace_back(t.bytes());
    file.read(t, data.back());
  }
  CHECK(names == std::vector<std::string>{"scalar", "b", "a", "empty", "q8", "mask"});
  int64_t scalar = 0;
  std::memcpy(&scalar, data[0].data(), 8);
  CHECK(scalar == -7);
  float b2 = 0;
  std::memcpy(&b2, data[1].data() + 8, 4);
  CHECK(b2 == -2.5f);
  CHECK(file.find("b")->shape == std::vector<int64_t>{2, 3});
  CHECK(file.find("nothing") == nullptr);

  std::vector<TensorSource> sources;
  for (size_t i = names.size(); i-- > 0;) {
    const TensorEntry& t = file.tensors()[i];
    sources.push_back({t.name, t.dtype, t.shape, data[i], {}});
  }
  const test::Scratch scratch;
  const auto written = write_safetensors(scratch.path() / "w.safetensors", sources, {});
  CHECK(read_file(scratch.path() / "w.safetensors", 10000) ==
        read_file(kGolden / "mixed.safetensors", 10000));
  CHECK(written.bytes == file.file_bytes());
  CHECK(written.header_bytes == file.header_bytes());
  CHECK(written.header_crc32c == file.header_crc32c());
}

TEST_CASE("every malformed golden file is refused", "[checkpoint]") {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kGolden / "bad")) {
    INFO(entry.path());
    CHECK(refusal(read_file(entry.path(), 10000)) != "accepted");
    CHECK_THROWS_AS(SafetensorsFile(entry.path()), Error);
    ++count;
  }
  CHECK(count == 18);
}

TEST_CASE("refusals name the row of the fault catalogue", "[checkpoint]") {
  const std::string one = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  CHECK(refusal(raw(one, "xx")) == "accepted");
  CHECK(refusal(raw(one + "   ", "xx")) == "accepted");
  CHECK(refusal(raw(one + "}", "xx")) == "X4");
  CHECK(refusal(raw(one, "x")) == "S10");
  CHECK(refusal(raw(one, "xxx")) == "S10");
  std::string lying = raw(one, "xx");
  for (const uint64_t length : {uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 7, uint64_t{500}}) {
    std::memcpy(lying.data(), &length, 8);
    CHECK(refusal(lying) == "X1");
  }
  CHECK(refusal(raw(std::string(1000000, '['))) == "X4");
  CHECK(refusal(raw(fmt::format("{{\"a\":{}", std::string(1000000, '[')))) == "X4");
  CHECK(refusal(raw(R"({"a":{"b":{"c":1}}})")) == "X3");
  const auto with = [&](const std::string& dtype, const std::string& shape,
                        const std::string& offsets, const std::string& data = "xx") {
    return refusal(raw(R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape +
                           R"(,"data_offsets":)" + offsets + "}}",
                       data));
  };
  CHECK(with("U8", "[2]", "[2,0]") == "X8");
  CHECK(with("U8", "[-1]", "[0,2]") == "X5");
  CHECK(with("U8", "[2.5]", "[0,2]") == "X5");
  CHECK(with("U8", "[1e30]", "[0,2]") == "X5");
  CHECK(with("U8", "[18446744073709551615]", "[0,2]") == "X5");
  CHECK(with("U8", "[2]", "[0,2,3]") == "X5");
  CHECK(with("U8", "[4294967296,4294967296]", "[0,0]", "") == "X7");
  CHECK(with("U8", "[9223372036854775807,2]", "[0,2]") == "X7");
  CHECK(with("U8", "[4294967296,4294967296,0]", "[0,0]", "") == "X7");
  CHECK(with("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,2]") == "X7");
  CHECK(with("U8", "[true]", "[0,2]") == "X4");
  CHECK(with("U8", "2", "[0,2]") == "X4");
  CHECK(with("Q8", "[2]", "[0,2]") == "X9");
  CHECK(with("U16", "[2]", "[0,2]") == "X8");
  CHECK(with("U8", "[2]", "[1,3]", "xxx") == "X6");
}

TEST_CASE("dangerous tensor names and foreign files are refused", "[checkpoint]") {
  const auto named = [](const std::string& name) {
    return refusal(
        raw("{\"" + name + R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xx"));
  };
  CHECK(named("../../etc/passwd") == "accepted");  // a name, never a path
  CHECK(named("a\\u0000b") == "X11");
  CHECK(named("a\\u001b[31m") == "X11");
  CHECK(named("") == "X11");
  CHECK(named(std::string(512, 'n')) == "accepted");
  CHECK(named(std::string(513, 'n')) == "X11");
  CHECK(refusal("\x80\x04\x95 pickle bytes") == "X12");
  CHECK(refusal("PK\x03\x04 zip, as .pt files are") == "X12");
  CHECK(refusal("GGUF\x03 more") == "X12");
}

TEST_CASE("a header with too many tensors is refused quickly", "[checkpoint]") {
  std::string header = "{";
  for (int i = 0; i < 100'002; ++i)
    header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                          i ? "," : "", i);
  CHECK(refusal(raw(header + "}")) == "X15");
}

TEST_CASE("random damage to a header never crashes and never reads outside", "[checkpoint]") {
  const std::string good = read_file(kGolden / "mixed.safetensors", 10000);
  uint64_t state = 1;
  const auto next = [&] {
    return (state = state * 6364136223846793005u + 1442695040888963407u) >> 33;
  };
  for (int trial = 0; trial < 5000; ++trial) {
    std::string bad = good;
    for (uint64_t k = next() % 4 + 1; k > 0; --k)
      bad[next() % bad.size()] = static_cast<char>(next());
    try {
      const auto header = parse_safetensors(std::as_bytes(std::span(bad)), bad.size(), "t");
      for (const TensorEntry& t : header.tensors)
        REQUIRE((t.begin <= t.end && header.data_start + t.end <= bad.size()));
    } catch (const Error& e) {
      REQUIRE(e.code() == ExitCode::no_checkpoint);
    }
  }
}

TEST_CASE("data that changed after its checksum was taken is not sealed", "[checkpoint]") {
  const test::Scratch scratch;
  std::string data = bytes_of({1.0f, 2.0f});
  const auto view = std::as_bytes(std::span(data));
  const uint32_t crc = crc32c(view);
  data[3] ^= 1;
  try {
    write_safetensors(scratch.path() / "x.safetensors", {{"a", "F32", {2}, view, crc}}, {});
    FAIL("written");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::storage);
    CHECK(e.id() == "S27");
  }
}
