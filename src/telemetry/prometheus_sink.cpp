#include <algorithm>
#include <chrono>

#include "echelon/base/file.h"
#include "echelon/telemetry/exposition.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

namespace fs = std::filesystem;

namespace {

struct Row {
  const char* key;
  const char* name;
  Family::Type type;
  const char* help;
};

constexpr auto kGauge = Family::Type::gauge;
constexpr auto kCounter = Family::Type::counter;
constexpr Row kRows[] = {
    {"step", "echelon_step", kGauge, "Last completed step."},
    {"tokens", "echelon_tokens_total", kCounter, "Tokens trained on since step 0."},
    {"loss", "echelon_loss", kGauge, "Training loss, natural logarithm."},
    {"val_loss", "echelon_validation_loss", kGauge, "Last validation loss."},
    {"grad_norm", "echelon_grad_norm", kGauge, "Gradient norm before clipping."},
    {"lr", "echelon_learning_rate", kGauge, "Learning rate."},
    {"step_seconds", "echelon_step_seconds", kGauge, "Duration of the last step."},
    {"tokens_per_second", "echelon_tokens_per_second", kGauge, "Throughput of the last step."},
    {"mfu", "echelon_model_flops_ratio", kGauge, "Model FLOPs utilization, 0 to 1."},
    {"skipped_steps", "echelon_skipped_steps_total", kCounter, "Steps skipped for overflow."},
    {"checkpoint_step", "echelon_checkpoint_last_step", kGauge, "Step of the newest checkpoint."},
    {"checkpoint_seconds", "echelon_checkpoint_save_seconds", kGauge, "Duration of the last save."},
};

/// <run>.prom, replaced as a whole at most every few seconds; no timestamps, as the collector asks.
class PrometheusSink : public MetricSink {
 public:
  explicit PrometheusSink(fs::path folder) : folder_(std::move(folder)) {}

  void start(const RunStart& run) override {
    if (folder_.empty()) folder_ = run.folder;
    run_ = run;
    last_.set("step", run.first_step);
    write();
  }
  void step(const Record& record) override {
    for (const auto& [key, value] : record.items()) last_.set(key, value);
    if (std::chrono::steady_clock::now() - written_ > std::chrono::seconds(5)) write();
  }
  void finish(const RunEnd&) override { write(); }

 private:
  void write() {
    const Labels labels = {{"run", run_.run}};
    std::vector<Family> families;
    for (const Row& row : kRows)
      if (last_.has(row.key))
        families.push_back({row.name, row.type, row.help, {{"", labels, last_.number(row.key)}}});
    Family memory{"echelon_device_memory_bytes", kGauge, "Memory of the fullest rank.", {}};
    for (const auto& [key, kind] :
         {std::pair{"memory_bytes", "now"}, {"peak_memory_bytes", "peak"}})
      if (last_.has(key))
        memory.samples.push_back({"", {{"run", run_.run}, {"kind", kind}}, last_.number(key)});
    if (!memory.samples.empty()) families.push_back(memory);
    families.push_back({"echelon_restarts_total",
                        kCounter,
                        "Starts after the first.",
                        {{"", labels, static_cast<double>(run_.attempt - 1)}}});
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    families.push_back({"echelon_last_progress_timestamp_seconds",
                        kGauge,
                        "When the last step ended; alert when it stops moving.",
                        {{"", labels, std::chrono::duration<double>(now).count()}}});
    replace(exposition(families));
    written_ = std::chrono::steady_clock::now();
  }

  /// Complete at every instant, but not synced: the file means nothing after a crash.
  void replace(const std::string& text) {
    std::string name = run_.run + ".prom";
    std::replace(name.begin(), name.end(), '/', '-');
    const fs::path path = folder_ / name, temporary = folder_ / (name + ".tmp");
    OutputFile file(temporary, OutputFile::Mode::truncate);
    file.write(text);
    file.close();
    fs::rename(temporary, path);
  }

  fs::path folder_;
  RunStart run_;
  Record last_;
  std::chrono::steady_clock::time_point written_{};
};

}  // namespace

std::unique_ptr<MetricSink> make_prometheus_sink(const TelemetryConfig& config) {
  return config.prometheus ? std::make_unique<PrometheusSink>(config.prometheus_folder) : nullptr;
}

}  // namespace echelon::telemetry
