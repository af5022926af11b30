#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "src/telemetry/console.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

namespace {

constexpr double kRedraw = 0.1;    // seconds between two redraws of the live line
constexpr double kPlainEvery = 5;  // seconds between two plain lines without an interval
constexpr const char* kClear = "\x1b[K";

}  // namespace

Console standard_error_console() {
  Console console;
  const char* term = std::getenv("TERM");
  // Under mpirun standard error is a pipe; 'echelon launch' says what is at its end.
  const char* behind = std::getenv("ECHELON_TERMINAL_WIDTH");
  const int width = behind ? std::atoi(behind) : 0;
  console.terminal =
      (::isatty(STDERR_FILENO) == 1 || width > 0) && term && std::string_view(term) != "dumb";
  console.width = [width] {
    winsize size{};
    if (width > 0) return width;
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? int{size.ws_col}
                                                                             : 80;
  };
  // One write call per line, so that lines of other threads never land inside.
  console.write = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  console.seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  return console;
}

std::string progress_line(const Record& record, int64_t total_steps, double seconds_left) {
  const auto step = static_cast<int64_t>(record.number("step"));
  const std::string total = std::to_string(total_steps);
  std::string line = total_steps > 0 ? fmt::format("step {:>{}}/{}", step, total.size(), total)
                                     : fmt::format("step {}", step);
  if (record.has("loss")) line += fmt::format("  loss {:.4f}", record.number("loss"));
  if (record.has("val_loss")) line += fmt::format("  val {:.4f}", record.number("val_loss"));
  if (record.has("lr")) line += fmt::format("  lr {:.2e}", record.number("lr"));
  if (record.has("grad_norm")) line += fmt::format("  norm {:.2f}", record.number("grad_norm"));
  if (record.has("tokens_per_second"))
    line += "  " + text::count(record.number("tokens_per_second")) + " tokens/s";
  if (record.has("mfu")) line += fmt::format("  MFU {:.1f}%", 100 * record.number("mfu"));
  if (seconds_left > 0) line += "  " + text::duration(seconds_left) + " left";
  return line;
}

void ConsoleSink::start(const RunStart& run) { run_ = run; }

bool ConsoleSink::due(int64_t step, double now) const {
  if (step == run_.first_step + 1 || step == run_.total_steps) return true;
  if (interval_ > 0) return step % interval_ == 0;
  return !console_.terminal && now - printed_ >= kPlainEvery;
}

void ConsoleSink::permanent(const std::string& line) {
  console_.write(console_.terminal ? line + kClear + "\n" : line + "\n");
}

void ConsoleSink::step(const Record& record) {
  const auto step = static_cast<int64_t>(record.number("step"));
  if (record.has("step_seconds")) meter_.add(0, record.number("step_seconds"));
  const double left = static_cast<double>(run_.total_steps - step) * meter_.median_seconds();
  const double now = console_.seconds();
  last_ = record;
  if (record.has("val_loss") || due(step, now)) {
    permanent(progress_line(record, run_.total_steps, left));
    printed_ = drawn_ = now;
    last_printed_ = step;
  } else if (console_.terminal && now - drawn_ >= kRedraw) {
    std::string line = progress_line(record, run_.total_steps, left);
    const int width = std::max(20, console_.width() - 1);
    if (line.size() > static_cast<size_t>(width)) line.resize(static_cast<size_t>(width));
    console_.write(line + kClear + "\r");
    drawn_ = now;
  }
}

void ConsoleSink::finish(const RunEnd&) {
  if (!last_) return;
  if (static_cast<int64_t>(last_->number("step")) != last_printed_)
    permanent(progress_line(*last_, run_.total_steps, 0));
  else if (console_.terminal)
    console_.write(kClear);
}

std::unique_ptr<MetricSink> make_console_sink(const TelemetryConfig& config) {
  if (!config.progress) return nullptr;
  return std::make_unique<ConsoleSink>(standard_error_console(), config.log_interval);
}

}  // namespace echelon::telemetry
