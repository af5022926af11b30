#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "echelon/base/file.h"
#include "echelon/telemetry/event_file.h"
#include "echelon/telemetry/exposition.h"
#include "echelon/telemetry/metrics.h"
#include "src/telemetry/console.h"
#include "src/telemetry/csv.h"
#include "src/telemetry/json_line.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::telemetry;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = fs::path(ECHELON_TEST_DATA) / "telemetry";
const double kNan = std::nan(""), kInf = HUGE_VAL;

std::string content(const fs::path& path) { return read_file(path, 1 << 20); }

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

Record step_record(int64_t step, double loss) {
  Record r;
  r.set("step", step).set("loss", loss).set("lr", 3e-4).set("tokens", step * 524288);
  return r;
}

RunStart run_in(const fs::path& folder, int64_t first = 0, int attempt = 1) {
  RunStart run;
  run.run = "test";
  run.folder = folder;
  run.attempt = attempt;
  run.first_step = first;
  run.total_steps = 100;
  return run;
}

TelemetryConfig quiet() {
  TelemetryConfig config;
  config.progress = config.report = false;
  return config;
}

}  // namespace

TEST_CASE("event files equal the golden bytes", "[telemetry]") {
  using namespace events;
  const auto golden = nlohmann::json::parse(content(kGolden / "records.json"));
  const std::vector<Bucket> buckets = {
      {-1.0, -0.25, 1}, {-0.25, 0.5, 1}, {0.5, 1.25, 3}, {1.25, 2.0, 1}};
  const std::vector<std::string> made = {
      first_event(1700000000.5),
      session_start(1700000001.0, 100),
      summary(1700000002.0, 101, {scalar("train/loss", 2.5f), scalar("train/lr", 3e-4f)}),
      summary(1700000003.0, 101, {histogram("grad_norm/layers", buckets)}),
      summary(1700000004.0, 0, {text("config", {"```yaml\nmodel:\n  layers: 12\n```"})}),
      summary(
          1700000005.0, 0,
          {hparams_start("run-1", 1700000000.0,
                         {{"lr", "3e-4"}, {"zero", "1"}, {"bf16", "true"}, {"sched", "cosine"}})}),
      summary(1700000006.0, int64_t{1} << 40, {scalar("big/step", -1.0f)}),
      summary(1700000007.0, 0, {hparams_end(true, 1700000007.0)})};
  REQUIRE(made.size() == golden.size());
  std::string file;
  for (size_t i = 0; i < made.size(); ++i) {
    INFO(i);
    CHECK(made[i] == from_hex(golden[i]));
    file += record(made[i]);
  }
  CHECK(file == content(kGolden / "events.out.tfevents"));
}

TEST_CASE("Prometheus text equals the golden file", "[telemetry]") {
  std::vector<Family> families(4);
  const Labels odd = {{"run", "a\"b\\c\nd"}, {"rank", "0"}};
  families[0] = {"echelon_step", Family::Type::gauge, "Last completed step.", {{"", odd, 1200}}};
  families[1] = {"echelon_tokens_total",
                 Family::Type::counter,
                 "Tokens trained on.\nSince step 0.",
                 {{"", odd, 629145600}}};
  families[2] = {"echelon_loss", Family::Type::gauge, "Training loss.", {}};
  int rank = 0;
  for (const double v : {2.5, kNan, kInf, -kInf, 3e-4})
    families[2].samples.push_back({"", {{"rank", std::to_string(rank++)}}, v});
  families[3] = {"echelon_step_seconds",
                 Family::Type::histogram,
                 "Step time.",
                 {{"_bucket", {{"le", "0.1"}}, 1},
                  {"_bucket", {{"le", "0.5"}}, 3},
                  {"_bucket", {{"le", "1"}}, 4},
                  {"_bucket", {{"le", "+Inf"}}, 5},
                  {"_sum", {}, 5.4},
                  {"_count", {}, 5}}};
  CHECK(exposition(families) == content(kGolden / "run1.prom"));
}

TEST_CASE("the Prometheus writer refuses bad names, counters and repeated series", "[telemetry]") {
  const auto gauge = Family::Type::gauge;
  CHECK_THROWS_AS(exposition({{"tokens", Family::Type::counter, "", {}}}), Error);
  CHECK_THROWS_AS(exposition({{"a-b", gauge, "", {}}}), Error);
  CHECK_THROWS_AS(exposition({{"a", gauge, "", {{"", {{"0", ""}}, 1}}}}), Error);
  CHECK_THROWS_AS(exposition({{"a", gauge, "", {{"", {{"__x", ""}}, 1}}}}), Error);
  CHECK_THROWS_AS(exposition({{"a", gauge, "", {{"", {}, 1}, {"", {}, 2}}}}), Error);
  CHECK_THROWS_AS(exposition({{"a", gauge, "", {}}, {"a", gauge, "", {}}}), Error);
}

TEST_CASE("JSON lines and CSV rows equal the golden files", "[telemetry]") {
  std::string lines;
  for (const auto& [step, loss] : {std::pair{1, 10.8}, {2, kNan}, {3, 9.25}})
    lines += json_line(step_record(step, loss));
  CHECK(lines == content(kGolden / "metrics.jsonl"));

  const std::vector<std::string> columns = {"step", "loss", "note"};
  const auto row = [&](int64_t step, double loss, const char* note) {
    Record r;
    r.set("step", step).set("loss", loss);
    if (note) r.set("note", std::string(note));
    return csv_row(columns, r);
  };
  CHECK(csv_line(columns) + row(1, 10.8, "a,b") + row(2, kNan, "say \"x\"") +
            row(3, kInf, nullptr) + row(4, 1e-7, "ok") ==
        content(kGolden / "metrics.csv"));
}

TEST_CASE("after a crash metrics hold every step once, whatever was torn", "[telemetry]") {
  const test::Scratch scratch;
  Metrics first(quiet());
  first.start(run_in(scratch));
  for (int64_t step = 1; step <= 9; ++step) first.step(step_record(step, 5.0));
  const std::string jsonl = content(scratch.path() / "metrics.jsonl");
  const std::string csv = content(scratch.path() / "metrics.csv");
  // Cut both files at every length of their second half, then resume after step 5.
  for (size_t drop = 0; drop < 120; drop += 7) {
    test::Scratch again;
    std::ofstream(again.path() / "metrics.jsonl", std::ios::binary)
        << jsonl.substr(0, jsonl.size() - drop);
    std::ofstream(again.path() / "metrics.csv", std::ios::binary)
        << csv.substr(0, csv.size() - drop / 2);
    Metrics second(quiet());
    second.start(run_in(again, 5, 2));
    for (int64_t step = 6; step <= 8; ++step) second.step(step_record(step, 4.0));
    second.finish({});
    CHECK(second.active() == 3);
    std::vector<int64_t> steps;
    std::ifstream in(again.path() / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto json = nlohmann::json::parse(line);
      if (!json.contains("event")) steps.push_back(json["step"]);
    }
    CHECK(steps == std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
    const std::string text = content(again.path() / "metrics.csv");
    CHECK(std::count(text.begin(), text.end(), '\n') == 9);
    CHECK(text.starts_with("step,loss,"));
    CHECK(text.find("\n5,5,") != std::string::npos);
    CHECK(text.find("\n6,4,") != std::string::npos);
  }
}

TEST_CASE("a column nobody announced starts the next CSV file", "[telemetry]") {
  const test::Scratch scratch;
  Metrics metrics(quiet());
  metrics.start(run_in(scratch));
  metrics.step(step_record(1, 3.0));
  Record r = step_record(2, 2.5);
  r.set("experts_dropped", int64_t{4});
  metrics.step(r);
  metrics.finish({});
  const std::string a = content(scratch.path() / "metrics.csv"),
                    b = content(scratch.path() / "metrics.2.csv");
  CHECK(a.find("experts") == std::string::npos);
  CHECK(b.find(",experts_dropped\n2,2.5,") != std::string::npos);
  // A key of the first step is announced by it; a fresh start leaves nothing of the old files.
  Metrics again(quiet());
  again.start(run_in(scratch));
  again.step(r);
  again.finish({});
  CHECK(content(scratch.path() / "metrics.csv").find(",experts_dropped\n2,2.5,") !=
        std::string::npos);
  CHECK_FALSE(fs::exists(scratch.path() / "metrics.2.csv"));
}

TEST_CASE("a resumed run tells TensorBoard to drop later steps", "[telemetry]") {
  const test::Scratch scratch;
  for (const int64_t first : {0, 40}) {
    Metrics metrics(quiet());
    metrics.start(run_in(scratch, first));
    metrics.step(step_record(first + 1, 1.0));
    metrics.finish({});
  }
  int files = 0, restarts = 0;
  for (const auto& entry : fs::directory_iterator(scratch.path() / "events")) {
    const std::string bytes = content(entry.path());
    CHECK(entry.path().filename().string().starts_with("events.out.tfevents."));
    CHECK(bytes.find("brain.Event:2") == 23);
    CHECK(bytes.find("train/loss") != std::string::npos);
    ++files;
    // SessionLog{status: START} of the second record, at step 40.
    restarts += bytes.find(std::string("\x10\x28\x3a\x02\x08\x01", 6)) != std::string::npos;
  }
  CHECK(files == 2);
  CHECK(restarts == 1);
}

TEST_CASE("the Prometheus file of a run is whole and names its values", "[telemetry]") {
  const test::Scratch scratch;
  TelemetryConfig config = quiet();
  config.prometheus = true;
  config.csv = config.tensorboard = config.jsonl = false;
  Metrics metrics(config);
  metrics.start(run_in(scratch, 3, 2));
  metrics.step(step_record(4, 2.25));
  metrics.finish({});
  const std::string text = content(scratch.path() / "test.prom");
  CHECK(text.find("echelon_step{run=\"test\"} 4\n") != std::string::npos);
  CHECK(text.find("echelon_loss{run=\"test\"} 2.25\n") != std::string::npos);
  CHECK(text.find("echelon_tokens_total{run=\"test\"} 2097152\n") != std::string::npos);
  CHECK(text.find("echelon_restarts_total{run=\"test\"} 1\n") != std::string::npos);
  CHECK_FALSE(fs::exists(scratch.path() / "test.prom.tmp"));
}

TEST_CASE("a sink that fails is left out and the others go on", "[telemetry]") {
  struct Broken : MetricSink {
    void start(const RunStart&) override {}
    void step(const Record&) override { fail(ExitCode::storage, "S1", "full"); }
    void finish(const RunEnd&) override { FAIL("called after it failed"); }
  };
  struct Counting : MetricSink {
    explicit Counting(int& n) : steps(n) {}
    void start(const RunStart&) override {}
    void step(const Record&) override { ++steps; }
    void finish(const RunEnd&) override {}
    int& steps;
  };
  int steps = 0;
  std::vector<std::pair<std::string, std::unique_ptr<MetricSink>>> sinks;
  sinks.emplace_back("broken", std::make_unique<Broken>());
  sinks.emplace_back("counting", std::make_unique<Counting>(steps));
  Metrics metrics(std::move(sinks));
  metrics.start({});
  metrics.step(step_record(1, 1));
  metrics.step(step_record(2, 1));
  metrics.finish({});
  CHECK(steps == 2);
  CHECK(metrics.active() == 1);
}

TEST_CASE("progress off a terminal is plain lines at the interval", "[telemetry]") {
  std::string out;
  double now = 0;
  Console console{false, [] { return 80; }, [&](std::string_view s) { out += s; },
                  [&] { return now; }};
  ConsoleSink sink(console, 10);
  RunStart run = run_in("/nowhere");
  run.total_steps = 25;
  sink.start(run);
  for (int64_t step = 1; step <= 25; ++step) {
    Record r = step_record(step, 2.0);
    r.set("step_seconds", 2.0).set("tokens_per_second", 51234.0).set("mfu", 0.412);
    if (step == 7) r.set("val_loss", 2.125);
    sink.step(r);
    now += 2;
  }
  sink.finish({});
  std::vector<std::string> lines;
  std::istringstream in(out);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  REQUIRE(lines.size() == 5);  // steps 1, 7 (validation), 10, 20, 25
  CHECK(lines[0] == "step  1/25  loss 2.0000  lr 3.00e-04  51.2K tokens/s  MFU 41.2%  48s left");
  CHECK(lines[1].find("step  7/25  loss 2.0000  val 2.1250") == 0);
  CHECK(lines[4].find("step 25/25") == 0);
  CHECK(out.find('\r') == std::string::npos);
  CHECK(out.find('\x1b') == std::string::npos);
}

TEST_CASE("progress on a terminal redraws one line that a log line can cover", "[telemetry]") {
  std::string out;
  double now = 0;
  Console console{true, [] { return 40; }, [&](std::string_view s) { out += s; },
                  [&] { return now; }};
  ConsoleSink sink(console, 0);
  sink.start(run_in("/nowhere"));
  for (int64_t step = 1; step <= 20; ++step, now += 0.06) sink.step(step_record(step, 2.0));
  sink.finish({});
  std::vector<std::string> live;
  for (size_t at = 0, end; (end = out.find('\r', at)) != std::string::npos; at = end + 1)
    live.push_back(out.substr(at, end - at));
  CHECK(live.size() >= 8);
  CHECK(live.size() <= 12);  // at most one redraw every 0.1 s
  for (size_t i = 1; i < live.size(); ++i) {
    CHECK(live[i].ends_with("\x1b[K"));
    CHECK(live[i].size() - 3 <= 39);
    CHECK(live[i].find('\n') == std::string::npos);
  }
  CHECK(out.ends_with("\n"));
}
