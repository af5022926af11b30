#include "echelon/telemetry/config.h"

namespace echelon::telemetry {

void TelemetryConfig::fields(config::Fields& f) {
  f.on_resume(config::OnResume::may_change);
  f.boolean("progress", progress,
            "Show progress: one live line on a terminal, plain lines elsewhere.");
  f.integer("log_interval", log_interval, {0},
            "Steps between two plain progress lines; 0: one every few seconds.");
  f.boolean("jsonl", jsonl,
            "Write metrics.jsonl, one object per step; the report is made from it.");
  f.boolean("csv", csv, "Write metrics.csv.");
  f.boolean("tensorboard", tensorboard, "Write TensorBoard event files to events/.");
  f.boolean(
      "prometheus", prometheus,
      "Keep <run>.prom up to date, for the textfile collector of the Prometheus node exporter.");
  f.text("prometheus_folder", prometheus_folder, "Folder of <run>.prom; empty: the run directory.");
  f.boolean("report", report, "Write report.html and loss.svg when the run ends.");
  f.boolean(
      "communication_log", communication_log,
      "Write every communication call to communication.rank<R>.jsonl; the summary per kind of "
      "call is always counted.");
  f.boolean("nvtx", nvtx, "Mark steps and phases for NVIDIA's profilers.");
}

}  // namespace echelon::telemetry
