#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "echelon/base/file.h"
#include "src/telemetry/json_line.h"
#include "src/telemetry/number_text.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

namespace fs = std::filesystem;

std::string json_line(const Record& record) {
  nlohmann::ordered_json line, odd;
  for (const auto& [key, value] : record.items()) {
    const auto* real = std::get_if<double>(&value);
    if (real && !std::isfinite(*real)) {
      line[key] = nullptr;
      odd[key] = number_text(*real);
    } else {
      std::visit([&](const auto& v) { line[key] = v; }, value);
    }
  }
  if (!odd.empty()) line["nonfinite"] = odd;
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

void cut_lines(const fs::path& path, int64_t step) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return;
  uintmax_t keep = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) break;
    const auto found = json.find("step");
    if (found != json.end() && found->is_number_integer() && found->get<int64_t>() > step) break;
    keep += line.size() + 1;
  }
  in.close();
  std::error_code error;
  fs::resize_file(path, keep, error);
  if (error)
    fail(ExitCode::storage, "S2", "{}: cutting failed: {}", path.string(), error.message());
}

namespace {

class JsonlSink : public MetricSink {
 public:
  void start(const RunStart& run) override {
    const fs::path path = run.folder / "metrics.jsonl";
    cut_lines(path, run.first_step);
    file_.emplace(path, OutputFile::Mode::append);
    const nlohmann::ordered_json line = {{"event", "start"},
                                         {"attempt", run.attempt},
                                         {"step", run.first_step},
                                         {"total_steps", run.total_steps}};
    file_->write(line.dump() + "\n");
  }
  void step(const Record& record) override { file_->write(json_line(record)); }
  void finish(const RunEnd&) override {
    file_->sync();
    file_->close();
  }

 private:
  std::optional<OutputFile> file_;
};

}  // namespace

std::unique_ptr<MetricSink> make_jsonl_sink(const TelemetryConfig& config) {
  // The report is made from this file.
  return config.jsonl || config.report ? std::make_unique<JsonlSink>() : nullptr;
}

}  // namespace echelon::telemetry
