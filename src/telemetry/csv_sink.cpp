#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

#include "echelon/base/file.h"
#include "src/telemetry/csv.h"
#include "src/telemetry/number_text.h"
#include "src/telemetry/sinks.h"

namespace echelon::telemetry {

namespace fs = std::filesystem;

std::string csv_field(const std::string& text) {
  const bool quote = text.find_first_of(",\"\r\n") != std::string::npos ||
                     (!text.empty() && (text.front() == ' ' || text.back() == ' '));
  if (!quote) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string out;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) out += ',';
    out += csv_field(field);
  }
  out += '\n';
  return out;
}

std::string csv_row(const std::vector<std::string>& columns, const Record& record) {
  std::vector<std::string> fields;
  for (const std::string& column : columns) {
    const Value* value = record.find(column);
    fields.push_back(value ? value_text(*value) : "");
  }
  return csv_line(fields);
}

namespace {

constexpr const char* kKnown[] = {"step",
                                  "loss",
                                  "lr",
                                  "grad_norm",
                                  "tokens",
                                  "step_seconds",
                                  "data_seconds",
                                  "tokens_per_second",
                                  "mfu",
                                  "memory_bytes",
                                  "skipped_steps",
                                  "val_loss",
                                  "val_perplexity",
                                  "val_bits_per_byte",
                                  "checkpoint_step",
                                  "checkpoint_seconds"};

/// Columns stay as they are for a whole file; a key nobody announced starts the next one.
class CsvSink : public MetricSink {
 public:
  void start(const RunStart& run) override {
    run_ = run;
    columns_.assign(std::begin(kKnown), std::end(kKnown));
    for (int n = 1; fs::exists(path(n)); ++n)
      if (run.first_step == 0)
        fs::remove(path(n));
      else
        cut_rows(path(n));
  }
  void step(const Record& record) override {
    bool grown = false;
    for (const auto& [key, value] : record.items())
      if (std::find(columns_.begin(), columns_.end(), key) == columns_.end()) {
        columns_.push_back(key);
        grown = true;
      }
    if (grown || !file_) open();
    file_->write(csv_row(columns_, record));
  }
  void finish(const RunEnd&) override {
    if (file_) file_->close();
  }

 private:
  fs::path path(int n) const {
    return run_.folder / (n == 1 ? "metrics.csv" : fmt::format("metrics.{}.csv", n));
  }

  /// Continues the file with these columns, or begins a new one.
  void open() {
    file_.reset();
    for (int n = 1;; ++n) {
      std::error_code absent;
      const bool fresh = !fs::exists(path(n)) || fs::file_size(path(n), absent) == 0;
      std::string header;
      if (!fresh) std::getline(std::ifstream(path(n), std::ios::binary), header);
      header += '\n';
      if (!fresh && header != csv_line(columns_)) continue;
      file_.emplace(path(n), OutputFile::Mode::append);
      if (fresh) file_->write(csv_line(columns_));
      return;
    }
  }

  /// Drops a torn last row (or header) and rows of later steps.
  void cut_rows(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    uintmax_t keep = 0;
    for (std::string line; std::getline(in, line) && !in.eof();) {
      int64_t step = 0;
      std::from_chars(line.data(), line.data() + line.size(), step);
      if (step > run_.first_step) break;
      keep += line.size() + 1;
    }
    in.close();
    fs::resize_file(file, keep);
  }

  RunStart run_;
  std::vector<std::string> columns_;
  std::optional<OutputFile> file_;
};

}  // namespace

std::unique_ptr<MetricSink> make_csv_sink(const TelemetryConfig& config) {
  return config.csv ? std::make_unique<CsvSink>() : nullptr;
}

}  // namespace echelon::telemetry
