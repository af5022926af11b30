#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>

#include "echelon/base/file.h"
#include "echelon/telemetry/event_file.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

namespace fs = std::filesystem;

namespace {

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string tag_of(const std::string& key) {
  if (key.starts_with("val_")) return "val/" + key.substr(4);
  if (key.ends_with("_seconds")) return "perf/" + key;
  for (const char* performance : {"tokens_per_second", "mfu", "memory_bytes", "peak_memory_bytes"})
    if (key == performance) return "perf/" + key;
  return "train/" + key;
}

class TensorboardSink : public MetricSink {
 public:
  void start(const RunStart& run) override {
    const fs::path folder = run.folder / "events";
    fs::create_directories(folder);
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const double now = wall_time();
    for (int n = 0; !file_; ++n) {
      const fs::path path =
          folder / fmt::format("events.out.tfevents.{:010d}.{}.{}.{}", static_cast<int64_t>(now),
                               host.data(), ::getpid(), n);
      if (!fs::exists(path)) file_.emplace(path, OutputFile::Mode::create_exclusive);
    }
    std::string head = events::record(events::first_event(now));
    if (run.first_step > 0) head += events::record(events::session_start(now, run.first_step));
    head += events::record(
        events::summary(now, 0, {events::text("config", {"```yaml\n" + run.config + "\n```"})}));
    head += events::record(
        events::summary(now, 0, {events::hparams_start(run.run, now, run.hyperparameters)}));
    file_->write(head);
  }
  void step(const Record& record) override {
    std::vector<std::string> values;
    for (const auto& [key, value] : record.items())
      if (key != "step" && !std::holds_alternative<std::string>(value))
        values.push_back(events::scalar(tag_of(key), static_cast<float>(record.number(key))));
    file_->write(events::record(
        events::summary(wall_time(), static_cast<int64_t>(record.number("step")), values)));
  }
  void finish(const RunEnd& end) override {
    const double now = wall_time();
    file_->write(events::record(events::summary(now, 0, {events::hparams_end(end.success, now)})));
    file_->close();
  }

 private:
  std::optional<OutputFile> file_;
};

}  // namespace

std::unique_ptr<MetricSink> make_tensorboard_sink(const TelemetryConfig& config) {
  return config.tensorboard ? std::make_unique<TensorboardSink>() : nullptr;
}

}  // namespace echelon::telemetry
