#include "echelon/telemetry/report.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "echelon/base/file.h"
#include "echelon/base/philox.h"
#include "echelon/telemetry/chart.h"
#include "tests/support/scratch.h"

using namespace echelon;
using namespace echelon::telemetry;
namespace fs = std::filesystem;

namespace {

/// A believable run: falling loss with noise, warm-up and cosine, spikes in the norm.
History example(int64_t steps) {
  History h;
  const Philox rng{1, make_stream(Draw::test, 0, 0, 0)};
  for (int64_t s = 1; s <= steps; ++s) {
    const auto e = static_cast<uint64_t>(s) * 8;
    const double x = static_cast<double>(s), t = x / static_cast<double>(steps);
    h.add("loss",
          {x, 3.2 + 6.4 * std::exp(-9 * t) + 0.9 * std::exp(-2 * t) + 0.06 * rng.normal(e)});
    if (s % std::max<int64_t>(1, steps / 12) == 0)
      h.add("val_loss", {x, 3.28 + 6.4 * std::exp(-9 * t) + 0.9 * std::exp(-2 * t)});
    const double warm = std::min(1.0, t / 0.1);
    h.add("lr", {x, 6e-4 * warm * (0.1 + 0.45 * (1 + std::cos(3.14159 * t)))});
    h.add("grad_norm", {x, 0.8 + 2 * std::exp(-6 * t) + 0.15 * std::abs(rng.normal(e + 2)) +
                               (s % 397 == 0 ? 30.0 : 0.0)});
    const double seconds = 0.42 + 0.01 * rng.normal(e + 4) + (s % 100 == 0 ? 0.3 : 0);
    h.add("step_seconds", {x, seconds});
    h.add("tokens_per_second", {x, 16384 / seconds});
    h.add("mfu", {x, 0.16 / seconds});
    h.add("memory_bytes", {x, 1.9e9 + (s > 3 ? 2.4e8 : 0)});
    h.add("tokens", {x, 16384.0 * x});
  }
  return h;
}

Report example_report() {
  Report r;
  r.title = "gpt-12M on stories";
  r.subtitle = "A GPT of 12.4M parameters, trained on 32.8M tokens with 8 CPU ranks.";
  ReportTable model{"Model", {}, {}};
  model.add("layers × heads × width", "6 × 8 × 512").add("parameters", "12,412,928");
  model.add("context", "512 tokens")
      .add("vocabulary", "4,096 (byte pairs)")
      .add("position", "rotary");
  ReportTable layout{"Layout", {}, {}};
  layout.add("ranks", "8 = tensor 2 × data 2 × pipeline 2")
      .add("schedule", "1F1B, 8 micro-batches");
  layout.add("ZeRO stage", "1").add("precision", "bf16 messages, f32 arithmetic");
  ReportTable time{"Time of a step", {"phase", "seconds", "share"}, {}};
  time.rows = {{"forward and backward", "0.331", "79 %"},
               {"communication not hidden", "0.052", "12 %"},
               {"optimizer", "0.029", "7 %"},
               {"everything else", "0.008", "2 %"}};
  ReportTable memory{"Memory of the fullest rank", {"what", "now", "peak"}, {}};
  memory.rows = {{"weights", "48.3 MB", "48.3 MB"},
                 {"gradients", "48.3 MB", "48.3 MB"},
                 {"optimizer", "96.6 MB", "96.6 MB"},
                 {"activations", "12.1 MB", "412 MB"},
                 {"resident set", "1.90 GB", "2.14 GB"}};
  r.tables = {model, layout, time, memory};
  r.commands = {
      {"Continue training:", "mpirun -np 8 echelon train configs/run/stories.yaml"},
      {"Write text with it:", "echelon generate runs/stories --prompt \"Once upon a time\""}};
  r.config =
      "model:\n  num_layers: 6\n  hidden_size: 512\ntrain:\n  note: a <b>bold</b> & \"quoted\" "
      "text\n";
  return r;
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Every opened element is closed in order (void and self-closing ones aside).
void check_nesting(const std::string& html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    REQUIRE(end != std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/') continue;
    const std::string name =
        tag.substr(tag[0] == '/', tag.find_first_of(" \n", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == name);
      open.pop_back();
    } else if (name != "meta") {
      open.push_back(name);
    }
  }
  CHECK(open.empty());
}

}  // namespace

TEST_CASE("the report is one well-formed file without script or network", "[telemetry]") {
  const test::Scratch scratch;
  write_report(scratch, example_report(), example(2000));
  const std::string html = read_file(scratch.path() / "report.html", 2 << 20);
  check_nesting(html);
  for (const char* forbidden : {"http:", "https:", "src=", "url(", "<script", "<link", "@import"})
    CHECK(html.find(forbidden) == std::string::npos);
  CHECK(html.find("default-src 'none'") != std::string::npos);
  CHECK(html.find("prefers-color-scheme:dark") != std::string::npos);
  CHECK(html.find("a &lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot; text") != std::string::npos);
  CHECK(count(html, "<svg") == 8);
  CHECK(html.find("nan") == std::string::npos);
  const std::string svg = read_file(scratch.path() / "loss.svg", 1 << 20);
  CHECK(svg.starts_with("<svg xmlns="));
  check_nesting(svg);
  // For looking at: a person names a folder.
  if (const char* keep = std::getenv("ECHELON_TEST_KEEP")) {
    write_report(keep, example_report(), example(2000));
  }
}

TEST_CASE("a report of a hundred thousand steps stays below 2 MB", "[telemetry]") {
  const std::string html = html_report(example_report(), example(100'000));
  CHECK(html.size() < 2'000'000);
}

TEST_CASE("a report comes out of one step, of none, and of odd values", "[telemetry]") {
  check_nesting(html_report(example_report(), example(1)));
  check_nesting(html_report({}, {}));
  History constant;
  for (int i = 0; i < 100; ++i) constant.add("loss", {static_cast<double>(i), 0.0});
  const std::string html = html_report({}, constant);
  check_nesting(html);
  CHECK(html.find("nan") == std::string::npos);
  CHECK(html.find("inf") == std::string::npos);
}

TEST_CASE("thinning keeps ends, order and spikes", "[telemetry]") {
  Series series;
  for (int i = 0; i < 50'000; ++i) series.push_back({static_cast<double>(i), std::sin(i * 0.01)});
  series[31'234].y = 9;
  series[12'345].y = -9;
  const Series thin = thinned(series, 2000);
  CHECK(thin.size() <= 2000);
  CHECK(thin.front().x == 0);
  CHECK(thin.back().x == 49'999);
  for (size_t i = 1; i < thin.size(); ++i) REQUIRE(thin[i - 1].x < thin[i].x);
  const auto has = [&](double x, double y) {
    return std::any_of(thin.begin(), thin.end(),
                       [&](const Point& p) { return p.x == x && p.y == y; });
  };
  CHECK(has(31'234, 9));
  CHECK(has(12'345, -9));
  CHECK(thinned(thin, 2000).size() == thin.size());
}

TEST_CASE("axis steps are 1, 2 or 5 and few", "[telemetry]") {
  CHECK(nice_step(10, 5) == 2);
  CHECK(nice_step(6.9, 5) == 2);
  CHECK(nice_step(0.04, 5) == Approx(0.01));
  CHECK(nice_step(2400, 5) == 500);
  for (double range = 1e-7; range < 1e12; range *= 1.37)
    for (const int most : {4, 5, 6, 10}) {
      const double step = nice_step(range, most);
      CHECK(range / step <= most * (1 + 1e-6));
      CHECK(range / step >= most / 2.6);
    }
}

TEST_CASE("the trend has no lag and passes over spikes", "[telemetry]") {
  Series ramp;
  for (int i = 0; i < 500; ++i) ramp.push_back({double(i), double(i)});
  for (const Point& p : trend(ramp, 20, 100))
    CHECK(std::abs(p.y - p.x) <= 10);  // end: half a window
  CHECK(trend(ramp, 20, 100)[50].y == Approx(trend(ramp, 20, 100)[50].x));
  Series spiky(300, Point{0, 4.0});
  for (size_t i = 0; i < spiky.size(); ++i) spiky[i].x = static_cast<double>(i);
  spiky[100].y = spiky[200].y = 1e6;
  for (const Point& p : trend(spiky, 10)) CHECK(p.y == Approx(4.0));
  CHECK(trend(spiky, 10, 50).size() == 50);
  CHECK(trend({}, 10).empty());
  CHECK(mean_of_last(ramp, 3) == Approx(498));
  CHECK(mean_of_last(ramp, 9999) == Approx(249.5));
}

TEST_CASE("history reads back metric lines and passes over what is torn", "[telemetry]") {
  const test::Scratch scratch;
  std::ofstream(scratch.path() / "metrics.jsonl")
      << R"({"event":"start","attempt":1,"step":0})"
      << "\n"
      << R"({"step":1,"loss":5.5,"note":"x"})"
      << "\n"
      << R"({"step":2,"loss":null,"nonfinite":{"loss":"nan"},"val_loss":5})"
      << "\n"
      << R"({"step":3,"loss":5)"
      << "\n"
      << R"({"step":4,"loss":4.5})"
      << "\n"
      << R"({"step":5,"lo)";
  const History h(scratch.path() / "metrics.jsonl");
  REQUIRE(h.of("loss").size() == 2);
  CHECK(h.of("loss")[1].x == 4);
  CHECK(h.of("val_loss").at(0).y == 5);
  CHECK(h.of("note").empty());
  CHECK(History(scratch.path() / "absent").of("loss").empty());
}
