// Rows S10 to S18 of the fault catalogue: whatever is damaged, the run falls back to the checkpoint
// before it, and nothing damaged is ever loaded.
#include <catch2/catch.hpp>
#include <fstream>

#include "echelon/base/file.h"
#include "tests/support/scratch.h"
#include "toy_run.h"

using namespace echelon;
using namespace echelon::checkpoint;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// Full check of one checkpoint without the search around it.
bool intact(const fs::path& checkpoint) {
  try {
    const Manifest manifest = read_manifest(checkpoint);
    verify_files(checkpoint, manifest);
    verify_data(checkpoint, manifest);
    return true;
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::no_checkpoint);
    CHECK_FALSE(std::string(e.what()).empty());
    return false;
  }
}

std::vector<fs::path> files_of(const fs::path& checkpoint) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Two checkpoints, steps 10 (shift 1) and 20 (shift 2); the second is the one to damage.
struct Two {
  Two() {
    test::save_toy(scratch, 2, 10, DType::f32, 1);
    test::save_toy(scratch, 2, 20, DType::f32, 2);
  }
  void expect_fallback(const std::string& what) {
    INFO(what);
    const auto loaded = test::load_toy(scratch, 2, {}, DType::f32, 1);
    CHECK(loaded.step == 10);
    CHECK(loaded.wrong == 0);
  }
  void expect_intact() {
    const auto loaded = test::load_toy(scratch, 2, {}, DType::f32, 2);
    CHECK(loaded.step == 20);
    CHECK(loaded.wrong == 0);
  }
  test::Scratch scratch;
  fs::path newest = scratch.path() / "step-00000020";
};

}  // namespace

TEST_CASE("fault_S11_S12 every flipped byte of every file is noticed", "[checkpoint]") {
  Two two;
  REQUIRE(intact(two.newest));
  for (const fs::path& file : files_of(two.newest)) {
    const std::string whole = read_file(file, 1 << 20);
    const size_t stride = whole.size() < 200 ? 1 : 7;
    for (size_t at = 0; at < whole.size(); at += stride) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      write(file, bad);
      INFO(file.filename() << " byte " << at);
      REQUIRE_FALSE(intact(two.newest));
    }
    write(file, whole);
  }
  CHECK(intact(two.newest));
}

TEST_CASE("fault_S10 files cut at every length are noticed", "[checkpoint]") {
  Two two;
  for (const fs::path& file : files_of(two.newest)) {
    const std::string whole = read_file(file, 1 << 20);
    const size_t stride = whole.size() < 200 ? 1 : 5;
    for (size_t length = 0; length < whole.size(); length += stride) {
      fs::resize_file(file, length);
      INFO(file.filename() << " cut to " << length);
      REQUIRE_FALSE(intact(two.newest));
      write(file, whole);
    }
    write(file, whole + "x");
    CHECK_FALSE(intact(two.newest));
    write(file, whole);
  }
  CHECK(intact(two.newest));
}

TEST_CASE("fault_S10_to_S16 damage leads to the checkpoint before it", "[checkpoint]") {
  Two two;
  for (const fs::path& file : files_of(two.newest)) {
    const std::string whole = read_file(file, 1 << 20);
    std::string bad = whole;
    bad[whole.size() - 2] ^= 4;
    write(file, bad);
    two.expect_fallback("flip in " + file.filename().string());
    write(file, std::string(whole.size(), '\0'));
    two.expect_fallback("zeros in " + file.filename().string());
    write(file, "");
    two.expect_fallback("nothing in " + file.filename().string());
    fs::remove(file);
    two.expect_fallback("no " + file.filename().string());
    fs::create_directory(file);
    two.expect_fallback("folder called " + file.filename().string());
    fs::remove(file);
    write(file, whole);
  }
  two.expect_intact();
}

TEST_CASE("fault_S14_S15 shards of another rank, step or run are refused", "[checkpoint]") {
  Two two;
  const fs::path a = two.newest / "rank-00000.safetensors",
                 b = two.newest / "rank-00001.safetensors";
  const std::string shard_a = read_file(a, 1 << 20), shard_b = read_file(b, 1 << 20);
  write(a, shard_b);
  write(b, shard_a);
  two.expect_fallback("swapped shards");
  write(b, shard_b);
  write(a, read_file(two.scratch.path() / "step-00000010" / "rank-00000.safetensors", 1 << 20));
  two.expect_fallback("shard of step 10");
  const test::Scratch other;
  test::save_toy(other, 2, 20, DType::f32, 2, {}, "yot");
  write(a, read_file(other.path() / "step-00000020" / "rank-00000.safetensors", 1 << 20));
  two.expect_fallback("shard of another run");
  write(a, shard_a);
  two.expect_intact();
  fs::copy(two.newest, two.scratch.path() / "step-00000099");
  two.expect_intact();  // a copied folder of another step is passed over
}

TEST_CASE("fault_X13 a shard that is a link is not followed", "[checkpoint]") {
  Two two;
  const fs::path shard = two.newest / "rank-00001.safetensors",
                 moved = two.scratch.path() / "elsewhere";
  fs::rename(shard, moved);
  fs::create_symlink(moved, shard);
  two.expect_fallback("link");
}

TEST_CASE("fault_S17_S18 the pointer file is only a hint", "[checkpoint]") {
  Two two;
  const fs::path latest = two.scratch.path() / "latest";
  for (const std::string& text :
       {std::string("step-00000077\n"), std::string(), std::string("\0\xff", 2),
        std::string("../../etc"), std::string(100000, 'x')}) {
    write(latest, text);
    two.expect_intact();
  }
  fs::remove(latest);
  two.expect_intact();
  fs::create_directory(latest);
  two.expect_intact();
}

TEST_CASE("when every checkpoint is damaged the run stops with code 4 and says why",
          "[checkpoint]") {
  Two two;
  for (const char* step : {"step-00000010", "step-00000020"})
    fs::remove(two.scratch.path() / step / "manifest.json");
  for (const int ranks : {1, 3}) try {
      test::load_toy(two.scratch, ranks);
      FAIL("loaded");
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::no_checkpoint);
      CHECK(std::string(e.what()).find("found 2 checkpoints, none of them usable") !=
            std::string::npos);
    }
}

TEST_CASE("fault_X16 a newer format version is refused by number", "[checkpoint]") {
  Two two;
  Manifest manifest = read_manifest(two.newest);
  std::string text = to_text(manifest);
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  try {
    parse_manifest(text, "manifest.json");
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.id() == "X16");
    CHECK(std::string(e.what()).find("version 2, wanted 'echelon.checkpoint' version 1") !=
          std::string::npos);
  }
}
