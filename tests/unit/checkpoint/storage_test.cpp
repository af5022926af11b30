// Writing that fails, leftovers, pruning.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <mutex>

#include "echelon/base/file.h"
#include "tests/support/scratch.h"
#include "toy_run.h"

using namespace echelon;
using namespace echelon::checkpoint;
namespace fs = std::filesystem;

namespace {

/// Files of this process may not grow beyond a size, as a full disk would stop them (EFBIG).
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int);
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Saves step 20 and expects every rank to be told of the same storage failure.
std::string failing_save(const fs::path& folder, int ranks) {
  std::mutex mutex;
  std::vector<std::string> messages;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    const auto memory = make_cpu_allocator();
    auto pieces = test::toy_pieces(world.rank(), ranks, *memory);
    test::toy_walk(pieces, true);
    SaveOptions options;
    options.run = "toy";
    options.step = 20;
    try {
      save(folder, pieces, {{"consumed_samples", 160}}, options, world);
    } catch (const Error& e) {
      const std::lock_guard lock(mutex);
      if (e.code() == ExitCode::storage) messages.push_back(e.what());
    }
  });
  REQUIRE(messages.size() == static_cast<size_t>(ranks));
  for (const std::string& message : messages) CHECK(message == messages[0]);
  return messages[0];
}

}  // namespace

TEST_CASE("fault_S1_S3 a write that fails anywhere leaves the old checkpoint and nothing else",
          "[checkpoint]") {
  const test::Scratch scratch;
  test::save_toy(scratch, 3, 10);
  uint64_t largest = 0;
  for (const auto& entry : fs::directory_iterator(scratch.path() / "step-00000010"))
    largest = std::max<uint64_t>(largest, entry.file_size());
  const auto before = names_in(scratch);
  for (uint64_t limit = 0; limit < largest; limit += std::max<uint64_t>(1, largest / 15)) {
    INFO("limit " << limit);
    std::string message;
    {
      const FileSizeLimit full(limit);
      message = failing_save(scratch, 3);
    }
    CHECK(message.find("checkpoint of step 20") != std::string::npos);
    CHECK(message.find("File too large") != std::string::npos);
    CHECK(message.find("nothing was published") != std::string::npos);
    CHECK(names_in(scratch) == before);
    const auto loaded = test::load_toy(scratch, 2);
    CHECK(loaded.step == 10);
    CHECK(loaded.wrong == 0);
  }
}

TEST_CASE("fault_S7 a folder that cannot be made is named on every rank", "[checkpoint]") {
  const test::Scratch scratch;
  std::ofstream(scratch.path() / "file") << "not a folder";
  const std::string message = failing_save(scratch.path() / "file" / "checkpoints", 2);
  CHECK(message.find("file/checkpoints: creating failed: Not a directory") != std::string::npos);
}

TEST_CASE("retention keeps the newest, the retained and the protected", "[checkpoint]") {
  const std::vector<int64_t> steps = {10, 20, 30, 40, 50};
  const std::vector<bool> good(5, true);
  using Steps = std::vector<int64_t>;
  CHECK(to_delete(steps, good, {2, 0, {}}) == Steps{10, 20, 30});
  CHECK(to_delete(steps, good, {1, 20, {}}) == Steps{10, 30});
  CHECK(to_delete(steps, good, {1, 0, {"step-00000010"}}) == Steps{20, 30, 40});
  CHECK(to_delete(steps, good, {9, 0, {}}).empty());
  // Damaged ones do not count: the two newest good ones stay.
  CHECK(to_delete(steps, {true, true, false, true, false}, {2, 0, {}}) == Steps{10});
  CHECK(to_delete(steps, std::vector<bool>(5, false), {1, 0, {}}).empty());
  CHECK_THROWS_AS(to_delete(steps, good, {0, 0, {}}), Error);
}

TEST_CASE("fault_C22 keeping no checkpoint is refused before anything is written", "[checkpoint]") {
  const test::Scratch scratch;
  try {
    test::save_toy(scratch, 2, 1, DType::f32, 0, {0, 0, {}});
    FAIL("saved");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::config);
    CHECK(e.id() == "C22");
  }
  CHECK(list_steps(scratch).empty());
}

TEST_CASE("pruning touches plain folders of the name pattern and nothing else", "[checkpoint]") {
  const test::Scratch scratch, outside;
  std::ofstream(outside.path() / "precious") << "x";
  const auto make = [&](const std::string& name) {
    fs::create_directory(scratch.path() / name);
    std::ofstream(scratch.path() / name / "precious") << "x";
  };
  const std::vector<std::string> kept = {"step-0000001",  "step-000000011", "step-00000001.left.1",
                                         "step-0000000x", "other",          "Step-00000001"};
  for (const std::string& name : kept) make(name);
  fs::create_directory_symlink(outside.path(), scratch.path() / "step-00000001");
  fs::create_directory_symlink(outside.path(), scratch.path() / "step-00000002.tmp");
  std::ofstream(scratch.path() / "step-00000003") << "a file";
  for (const int64_t step : {4, 5, 6}) test::save_toy(scratch, 2, step, DType::f32, 0, {2, 0, {}});
  CHECK(list_steps(scratch) == std::vector<int64_t>{5, 6});
  clean_leftovers(scratch);
  for (const std::string& name : kept) CHECK(fs::exists(scratch.path() / name / "precious"));
  CHECK(fs::is_symlink(scratch.path() / "step-00000001"));
  CHECK(fs::is_symlink(scratch.path() / "step-00000002.tmp"));
  CHECK(fs::exists(scratch.path() / "step-00000003"));
  CHECK(fs::exists(outside.path() / "precious"));
}

TEST_CASE("fault_S24 pruning keeps the old good checkpoint when the new one is damaged",
          "[checkpoint]") {
  const test::Scratch scratch;
  for (const int64_t step : {1, 2, 3}) test::save_toy(scratch, 2, step, DType::f32, 0, {9, 0, {}});
  fs::resize_file(scratch.path() / "step-00000003" / "rank-00000.safetensors", 100);
  CHECK(prune(scratch, {1, 0, {}}) == std::vector<std::string>{"step-00000001"});
  CHECK(test::load_toy(scratch, 1).step == 2);
}

TEST_CASE("fault_P7_P8_S28 leftovers of a killed save are removed, checkpoints stay",
          "[checkpoint]") {
  const test::Scratch scratch;
  test::save_toy(scratch, 2, 1);
  fs::copy(scratch.path() / "step-00000001", scratch.path() / "step-00000002.tmp");
  CHECK(list_steps(scratch) == std::vector<int64_t>{1});
  CHECK(clean_leftovers(scratch) == std::vector<std::string>{"step-00000002.tmp"});
  CHECK(names_in(scratch) == std::vector<std::string>{"latest", "step-00000001"});
}

TEST_CASE("going back sets the newer branch aside for good", "[checkpoint]") {
  const test::Scratch scratch;
  for (const int64_t step : {1, 2, 3}) test::save_toy(scratch, 1, step, DType::f32, 0, {9, 0, {}});
  CHECK(set_aside_newer(scratch, 1) ==
        std::vector<std::string>{"step-00000002.left.1", "step-00000003.left.1"});
  CHECK(test::load_toy(scratch, 1).step == 1);
  test::save_toy(scratch, 1, 2, DType::f32, 0, {9, 0, {}});
  CHECK(set_aside_newer(scratch, 1) == std::vector<std::string>{"step-00000002.left.2"});
}
