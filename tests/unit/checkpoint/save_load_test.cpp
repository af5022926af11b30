#include <catch2/catch.hpp>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "echelon/base/file.h"
#include "echelon/checkpoint/checkpoint.h"
#include "tests/support/scratch.h"
#include "toy_run.h"

using namespace echelon;
using namespace echelon::checkpoint;
namespace fs = std::filesystem;

namespace {

void save_on(const fs::path& folder, int ranks, int64_t step, DType dtype = DType::f32,
             float shift = 0) {
  test::save_toy(folder, ranks, step, dtype, shift);
}

/// Step of the checkpoint loaded, -1 for none; wrong elements fail the test.
int64_t load_on(const fs::path& folder, int ranks, const LoadOptions& options = {},
                DType dtype = DType::f32, float shift = 0) {
  const auto loaded = test::load_toy(folder, ranks, options, dtype, shift);
  CHECK(loaded.wrong == 0);
  return loaded.step;
}

}  // namespace

TEST_CASE("a checkpoint of any number of ranks loads bit for bit on any other", "[checkpoint]") {
  for (const int ranks : {1, 2, 3, 4}) {
    const test::Scratch scratch;
    save_on(scratch, ranks, 20);
    for (const int readers : {1, 2, 4, 5}) {
      INFO(ranks << " to " << readers);
      CHECK(load_on(scratch, readers) == 20);
    }
    CHECK(read_file(scratch.path() / "latest", 100) == "step-00000020\n");
    CHECK(verify_data(scratch.path() / "step-00000020",
                      read_manifest(scratch.path() / "step-00000020")) > 0);
    CHECK_FALSE(fs::exists(scratch.path() / "step-00000020.tmp"));
  }
}

TEST_CASE("bf16 weights keep their bits and change type only when asked", "[checkpoint]") {
  const test::Scratch scratch;
  save_on(scratch, 2, 1, DType::bf16);
  CHECK(load_on(scratch, 3, {}, DType::bf16) == 1);
  try {
    load_on(scratch, 1, {}, DType::f32);
    FAIL("loaded bf16 as f32");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::resume_mismatch);
    CHECK(std::string(e.what()).find("model/embed: found type bf16, wanted f32") !=
          std::string::npos);
  }
  const test::Scratch wide;
  save_on(wide, 2, 1, DType::f32);
  LoadOptions convert;
  convert.convert_floats = true;
  CHECK(load_on(wide, 3, convert, DType::bf16) == 1);  // rounded once, to nearest even
}

TEST_CASE("a checkpoint written by the reference program loads", "[checkpoint]") {
  const fs::path toy = fs::path(ECHELON_TEST_DATA) / "checkpoint" / "toy";
  std::ifstream in(toy / "expected.json");
  const auto expected = nlohmann::json::parse(in);
  const auto memory = make_cpu_allocator();
  const Manifest manifest = read_manifest(find_newest(toy));
  CHECK(manifest.step == 20);
  CHECK(manifest.extra.at("layout").at("dp") == 2);
  REQUIRE(manifest.tensors.size() == expected.size());
  std::vector<Piece> pieces;
  for (const auto& [name, record] : manifest.tensors)
    pieces.push_back({name, record.shape, whole_box(record.shape),
                      Tensor::empty(record.shape, record.dtype, *memory), true});
  load(toy / "step-00000020", manifest, pieces);
  for (const Piece& piece : pieces) {
    const auto values = piece.data.span<float>();
    CHECK(std::vector<float>(values.begin(), values.end()) ==
          expected.at(piece.name).get<std::vector<float>>());
  }
}

TEST_CASE("what does not match the model is listed by tensor, found and wanted", "[checkpoint]") {
  const test::Scratch scratch;
  save_on(scratch, 2, 3);
  comm::run_thread_ranks(1, [&](comm::Communicator& world) {
    const auto memory = make_cpu_allocator();
    std::vector<Piece> pieces;
    pieces.push_back({"model/embed",
                      {12, 6},
                      whole_box({12, 6}),
                      Tensor::zeros({12, 6}, DType::f32, *memory),
                      true});
    pieces.push_back(
        {"model/extra", {3}, whole_box({3}), Tensor::zeros({3}, DType::f32, *memory), true});
    try {
      load_newest(
          scratch, [&](const Manifest&) { return pieces; }, {}, world);
      FAIL("loaded");
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::resume_mismatch);
      CHECK(e.id() == "U3");
      const std::string what = e.what();
      CHECK(what.find("model/embed: found shape [10, 6], wanted [12, 6]") != std::string::npos);
      CHECK(what.find("model/extra: found nothing, wanted f32 [3]") != std::string::npos);
    }
  });
}

TEST_CASE("pieces that overlap or leave a hole are refused before anything is published",
          "[checkpoint]") {
  const test::Scratch scratch;
  save_on(scratch, 1, 1);
  for (const int64_t rows : {1, 3}) {  // 2 rows per rank would be right
    std::atomic<int> refused = 0;
    comm::run_thread_ranks(2, [&](comm::Communicator& world) {
      const auto memory = make_cpu_allocator();
      const int64_t from = world.rank() == 0 ? 0 : 4 - rows;
      std::vector<Piece> pieces;
      pieces.push_back({"model/a",
                        {4, 2},
                        {{from, 0}, {rows, 2}},
                        Tensor::zeros({rows, 2}, DType::f32, *memory),
                        true});
      SaveOptions options;
      options.step = 2;
      try {
        save(scratch, pieces, {}, options, world);
      } catch (const Error& e) {
        ++refused;
      }
    });
    CHECK(refused == 2);
    CHECK(list_steps(scratch) == std::vector<int64_t>{1});
    CHECK_FALSE(fs::exists(scratch.path() / "step-00000002.tmp"));
  }
}

TEST_CASE("NaN in a stored tensor is refused unless allowed", "[checkpoint]") {
  const test::Scratch scratch;
  save_on(scratch, 1, 1, DType::f32, std::numeric_limits<float>::infinity());
  try {
    load_on(scratch, 1);
    FAIL("loaded");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::no_checkpoint);
    CHECK(std::string(e.what()).find("NaN or infinite") != std::string::npos);
  }
  LoadOptions allow;
  allow.allow_nonfinite = true;
  CHECK(load_on(scratch, 1, allow, DType::f32, std::numeric_limits<float>::infinity()) == 1);
}

TEST_CASE("an empty folder holds nothing, a moved run still loads", "[checkpoint]") {
  const test::Scratch scratch;
  CHECK(load_on(scratch.path() / "absent", 2) == -1);
  CHECK(find_newest(scratch).empty());
  save_on(scratch.path() / "a", 2, 5);
  fs::rename(scratch.path() / "a", scratch.path() / "b");
  CHECK(load_on(scratch.path() / "b", 3) == 5);
}

TEST_CASE("saving a step again replaces it in one move", "[checkpoint]") {
  const test::Scratch scratch;
  save_on(scratch, 2, 5, DType::f32, 1.0f);
  save_on(scratch, 3, 5, DType::f32, 2.0f);
  CHECK(load_on(scratch, 2, {}, DType::f32, 2.0f) == 5);
  CHECK_FALSE(fs::exists(scratch.path() / "step-00000005.tmp"));
}

TEST_CASE("a snapshot keeps the values of its moment", "[checkpoint]") {
  const test::Scratch scratch;
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    const auto memory = make_cpu_allocator();
    auto pieces = test::toy_pieces(world.rank(), 2, *memory);
    test::toy_walk(pieces, true);
    const Snapshot snapshot = take_snapshot(pieces, memory.get());
    test::toy_walk(pieces, true, 100.0f);  // training goes on
    SaveOptions options;
    options.step = 7;
    save(scratch, snapshot, {}, options, world);
  });
  CHECK(load_on(scratch, 1) == 7);
}
