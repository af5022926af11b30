#include "echelon/telemetry/timeline.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "echelon/base/file.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::telemetry;

namespace {

/// Slices of one track must nest or be disjoint, or the viewers draw nonsense.
void check_tracks(const nlohmann::json& document) {
  std::map<int, std::vector<std::pair<double, double>>> tracks;
  for (const auto& e : document["traceEvents"])
    if (e["ph"] == "X") {
      CHECK(e["dur"] >= 0);
      tracks[e["tid"]].emplace_back(e["ts"], e["ts"].get<double>() + e["dur"].get<double>());
    }
  for (const auto& [tid, slices] : tracks)
    for (const auto& a : slices)
      for (const auto& b : slices) {
        const bool apart = a.second <= b.first || b.second <= a.first;
        const bool nested = (a.first <= b.first && b.second <= a.second) ||
                            (b.first <= a.first && a.second <= b.second);
        REQUIRE((apart || nested));
      }
}

}  // namespace

TEST_CASE("a timeline holds nested slices per thread, of the recorded window alone",
          "[telemetry]") {
  Timeline timeline(3);
  { const TraceScope before(&timeline, "before", "compute"); }
  {
    const TraceScope outer(&timeline, "open at start", "compute");
    timeline.start();
    const TraceScope child(&timeline, "its child", "compute");
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const TraceScope step(&timeline, "step", "step", i);
        const TraceScope forward(&timeline, "F mb0", "compute", 0);
        const TraceScope reduce(&timeline, "all_reduce \"dp\"", "comm", 0);
      }
    });
  for (auto& t : threads) t.join();
  {
    const TraceScope open(&timeline, "open at stop", "compute");
    timeline.stop();
  }
  CHECK(timeline.slices() == 180);
  timeline.set_clock_offset(0.25);
  const test::Scratch scratch;
  timeline.write(scratch.path() / "rank3.json");
  const auto document = nlohmann::json::parse(read_file(scratch.path() / "rank3.json", 1 << 20));
  check_tracks(document);
  CHECK(document["otherData"]["clock_offset_seconds"] == 0.25);
  for (const auto& e : document["traceEvents"]) {
    CHECK(e["pid"] == 3);
    if (e["ph"] == "X") {
      CHECK(e["ts"] >= 0.25e6);
      CHECK((e["name"] == "step" || e["name"] == "F mb0" || e["name"] == "all_reduce \"dp\""));
    }
  }
}

TEST_CASE("a timeline stops growing at its limit and says how much it left out", "[telemetry]") {
  Timeline timeline(0, 10);
  timeline.start();
  for (int i = 0; i < 25; ++i) const TraceScope scope(&timeline, "s", "compute");
  CHECK(timeline.slices() == 10);
  CHECK(nlohmann::json::parse(timeline.json())["otherData"]["slices_left_out"] == 15);
}
