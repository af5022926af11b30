#pragma once
// The report of a run: one HTML file that can be mailed, read on a phone and opened in ten years.
// No script, no network, charts inline.
#include <filesystem>
#include <string>
#include <vector>

#include "echelon/telemetry/history.h"
#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry {

/// A table: two columns are name and value; with a `header` any number.
struct ReportTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  ReportTable& add(std::string name, std::string value) {
    rows.push_back({std::move(name), std::move(value)});
    return *this;
  }
};

/// A number worth a card at the top.
struct Highlight {
  std::string name, value, note;
};

struct Report {
  std::string title;     ///< name of the run
  std::string subtitle;  ///< one sentence: what was trained on what
  std::string state = "finished";
  std::vector<Highlight> highlights;  ///< highlights_of(history) when empty
  std::vector<ReportTable> tables;    ///< model, layout, data, timing, memory, ...
  std::vector<std::pair<std::string, std::string>> commands;  ///< what for, command line
  std::string config;                                         ///< resolved configuration
};

/// Final and validation loss, tokens, throughput, MFU, time, memory: what the history knows.
std::vector<Highlight> highlights_of(const History& history);

std::string html_report(const Report& report, const History& history);
/// report.html and loss.svg in `folder`. Throws Error(storage).
void write_report(const std::filesystem::path& folder, const Report& report,
                  const History& history);
/// Only loss.svg: training and validation loss.
void write_loss_curve(const std::filesystem::path& file, const std::string& title,
                      const History& history);

}  // namespace echelon::telemetry
