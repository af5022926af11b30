#include "src/data/read_ahead.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>

#include "data_support.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;

namespace {

/// Counts reads by row and remembers which thread did them.
struct Recorder {
  std::mutex mutex;
  std::map<int64_t, int> reads;
  std::map<int64_t, std::thread::id> reader;
  int64_t broken = -1;  ///< reading this row fails

  ReadAhead::Read read() {
    return [this](int64_t first, int64_t) {
      const std::scoped_lock lock(mutex);
      ++reads[first];
      reader[first] = std::this_thread::get_id();
      if (first == broken) fail(ExitCode::data, "D3", "row {}", first);
      return Batch{first, {}, {}};
    };
  }
  /// Waits until a row was read; false after 20 seconds.
  bool was_read(int64_t first) {
    for (int i = 0; i < 20000; ++i) {
      {
        const std::scoped_lock lock(mutex);
        if (reads.contains(first)) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
};

}  // namespace

TEST_CASE("Evenly spaced takes are read ahead by the workers, each once", "[data]") {
  const int64_t workers = GENERATE(1, 3);
  Recorder recorder;
  ReadAhead ahead(recorder.read(), 2, workers);
  for (int64_t first = 5; first < 100; first += 8) {
    CHECK(ahead.take(first, 2).first == first);
    if (first >= 13) REQUIRE(recorder.was_read(first + 16));  // two ahead, without being asked
  }
  for (const auto& [first, count] : recorder.reads) {
    CHECK(count == 1);
    CHECK((first % 8 == 5 && first < 128));
    CHECK((recorder.reader[first] == std::this_thread::get_id()) == (first <= 13));
  }
}

TEST_CASE("An error met while reading ahead waits for its own rows", "[data]") {
  Recorder recorder;
  recorder.broken = 4;
  ReadAhead ahead(recorder.read(), 2, 1);
  for (int64_t first = 0; first < 4; ++first) CHECK(ahead.take(first, 1).first == first);
  REQUIRE(recorder.was_read(4));
  CHECK(failure_of([&] { ahead.take(4, 1); }).text == "row 4");
  CHECK(ahead.take(5, 1).first == 5);
  CHECK(ahead.take(50, 1).first == 50);
}

TEST_CASE("Without depth or workers nothing is read before it is asked for", "[data]") {
  for (const auto& [depth, workers] : {std::pair<int64_t, int64_t>{0, 2}, {2, 0}}) {
    Recorder recorder;
    ReadAhead ahead(recorder.read(), depth, workers);
    for (int64_t first = 0; first < 5; ++first) CHECK(ahead.take(first, 1).first == first);
    CHECK(recorder.reads.size() == 5);
  }
}

TEST_CASE("Ending while reading ahead does not hang", "[data]") {
  for (int i = 0; i < 50; ++i) {
    Recorder recorder;
    ReadAhead ahead(recorder.read(), 8, 4);
    for (int64_t first = 0; first < 3; ++first) ahead.take(first, 1);
  }
  SUCCEED();
}
