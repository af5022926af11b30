#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "echelon/base/file.h"
#include "echelon/telemetry/comm_log.h"
#include "echelon/telemetry/memory_report.h"
#include "echelon/telemetry/meters.h"
#include "echelon/telemetry/nvtx.h"
#include "echelon/telemetry/run_directory.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::telemetry;
namespace fs = std::filesystem;

namespace {

CommRecord call(const char* op, const char* group, int64_t elements, double seconds) {
  CommRecord r;
  r.phase = "train";
  r.op = op;
  r.group = group;
  r.group_size = 4;
  r.dtype = "f32";
  r.elements = elements;
  r.bytes = 4 * elements;
  r.seconds = seconds;
  return r;
}

}  // namespace

TEST_CASE("throughput: last, median, longest of the window", "[telemetry]") {
  ThroughputMeter meter(4);
  CHECK(meter.median_seconds() == 0);
  CHECK(meter.last_tokens_per_second() == 0);
  for (const double s : {100.0, 1.0, 2.0, 4.0, 8.0}) meter.add(1000, s);
  CHECK(meter.last_seconds() == 8);
  CHECK(meter.median_seconds() == 3);  // of 1 2 4 8: the first step has left the window
  CHECK(meter.longest_seconds() == 8);
  CHECK(meter.last_tokens_per_second() == 125);
  CHECK(meter.median_tokens_per_second() == 375);  // of 1000 500 250 125
}

TEST_CASE("MFU is useful flops per second over the peak", "[telemetry]") {
  CHECK(model_flops_utilization(6e12, 2.0, 1e13) == Approx(0.3));
  CHECK(model_flops_utilization(6e12, 0, 1e13) == 0);
  CHECK(model_flops_utilization(6e12, 2.0, 0) == 0);
}

TEST_CASE("the memory report adds up", "[telemetry]") {
  const auto memory = make_cpu_allocator();
  const auto weights = memory->allocate(3 << 20, MemoryCategory::weights);
  { const auto gone = memory->allocate(5 << 20, MemoryCategory::activations); }
  const MemoryReport report = memory_report(*memory);
  const auto rows = memory_rows(report);
  REQUIRE(rows.size() == kMemoryCategories + 4);
  int64_t now = 0;
  for (size_t i = 0; i < kMemoryCategories; ++i) now += rows[i].now;
  CHECK(rows[kMemoryCategories].what == "all tensors");
  CHECK(rows[kMemoryCategories].now == now);
  CHECK(rows[0].now >= 3 << 20);
  CHECK(rows[kMemoryCategories].peak >= 8 << 20);
  CHECK(report.peak_resident >= report.resident);
  CHECK(rows.back().peak == report.unaccounted_peak());
  CHECK(to_text(report).find("weights") != std::string::npos);
}

TEST_CASE("calls of one kind are counted together, also from many threads", "[telemetry]") {
  const test::Scratch scratch;
  const fs::path path = scratch.path() / "communication.jsonl";
  {
    CommLog log(path);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 250; ++i) log.record(call("all_reduce", "dp", 1000, 0.001));
      });
    for (auto& t : threads) t.join();
    log.record(call("all_reduce", "dp", 500, 0.5));
    log.record(call("all_gather", "tp", 3, 0.25));
    const auto summary = log.summary();
    REQUIRE(summary.size() == 3);
    const auto& big = summary.at({"train", "all_reduce", "dp", 4, "f32", 1000});
    CHECK(big.calls == 1000);
    CHECK(big.bytes == 4'000'000);
    CHECK(big.seconds == Approx(1.0));
    const auto histogram = size_histogram(summary);
    REQUIRE(histogram.size() == 3);
    CHECK(histogram[0].least_bytes == 8);
    CHECK(histogram[1].least_bytes == 1024);
    CHECK(histogram[2].least_bytes == 2048);
    CHECK(histogram[2].calls == 1000);
    const std::string table = to_text(summary);
    CHECK(table.find("all_reduce") != std::string::npos);
    CHECK(std::count(table.begin(), table.end(), '\n') == 3);  // title, two kinds
    CHECK(table.find("1001") != std::string::npos);
    log.clear();
    CHECK(log.summary().empty());
  }
  std::ifstream in(path);
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines)
    CHECK(nlohmann::json::parse(line).at("group_size") == 4);
  CHECK(lines == 1002);
}

TEST_CASE("trace scopes reach NVTX or nothing", "[telemetry]") {
  const auto trace = make_nvtx_trace();
  const TraceScope outer(trace.get(), "step 12", "compute", 12);
  const TraceScope inner(trace.get(), std::string("F mb3"), "compute", 3);
  SUCCEED();
}

TEST_CASE("fault_U1 a second job is refused and told who holds the run", "[telemetry]") {
  const test::Scratch scratch;
  const fs::path folder = scratch.path() / "runs" / "one";
  {
    const RunDirectory first(folder, 0);
    CHECK(first.attempt() == 1);
    CHECK_FALSE(first.previous().has_value());
    try {
      const RunDirectory second(folder, 0.15);
      FAIL("two holders");
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::run_dir_in_use);
      CHECK(e.id() == "U1");
      CHECK(std::string(e.what()).find(fmt::format("process {}", ::getpid())) != std::string::npos);
    }
  }
  CHECK_NOTHROW(RunDirectory(folder, 0));
}

TEST_CASE("the status survives and counts attempts; configurations are kept", "[telemetry]") {
  const test::Scratch scratch;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const RunDirectory run(scratch, 0);
    CHECK(run.attempt() == attempt);
    if (attempt > 1) CHECK(run.previous()->step == 10 * (attempt - 1));
    run.write_resolved(attempt < 3 ? "a: 1\n" : "a: 2\n");
    RunStatus status;
    status.state = "stopped";
    status.step = 10 * attempt;
    status.exit_code = 20;
    status.message = "caf\xc3\xa9 \xff";
    run.write_status(status);
  }
  CHECK(read_status(scratch)->exit_code == 20);
  CHECK(read_file(scratch.path() / "resolved.yaml", 100) == "a: 2\n");
  CHECK(read_file(scratch.path() / "resolved.2.yaml", 100) == "a: 1\n");
  CHECK_FALSE(fs::exists(scratch.path() / "resolved.1.yaml"));
  std::ofstream(scratch.path() / "status.json") << "{\"state\":";
  CHECK_FALSE(read_status(scratch).has_value());
}
