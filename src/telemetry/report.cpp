#include "echelon/telemetry/report.h"

#include <algorithm>
#include <cmath>

#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/telemetry/chart.h"
#include "src/telemetry/report_style.h"

namespace echelon::telemetry {

namespace {

Chart loss_chart(const History& history, int width, int height) {
  Chart chart;
  chart.title = "Loss";
  chart.width = width;
  chart.height = height;
  chart.curves = with_trend("training", history.of("loss"), 1);
  chart.curves.push_back({"validation", history.of("val_loss"), 2, false, true});
  return chart;
}

/// Charts beside each other, in order of interest; those without values are left out.
std::vector<Chart> small_charts(const History& history) {
  std::vector<Chart> charts;
  const auto add = [&](const char* title, const char* key, Unit unit, bool from_zero, bool clip,
                       bool trend) {
    const Series& series = history.of(key);
    if (series.empty()) return;
    Chart chart;
    chart.title = title;
    chart.unit = unit;
    chart.from_zero = from_zero;
    chart.clip_spikes = clip;
    chart.curves =
        trend ? with_trend("", series, 1) : std::vector<Curve>{{"", series, 1, false, false}};
    charts.push_back(std::move(chart));
  };
  add("Throughput", "tokens_per_second", Unit::tokens_per_second, true, false, true);
  add("Model FLOPs utilization", "mfu", Unit::percent, true, false, true);
  add("Learning rate", "lr", Unit::rate, true, false, false);
  add("Gradient norm", "grad_norm", Unit::plain, true, true, true);
  add("Memory", "memory_bytes", Unit::bytes, true, false, false);
  add("Step time", "step_seconds", Unit::seconds, true, true, true);
  // With an even number the grid has no gap; throughput says the same as step time.
  if (charts.size() % 2 == 1 && charts.back().title == "Step time") charts.pop_back();
  return charts;
}

std::string table_html(const ReportTable& table) {
  std::string out = fmt::format("<section><h2>{}</h2><table>", escape_html(table.title));
  if (!table.header.empty()) {
    out += "<thead><tr>";
    for (const std::string& cell : table.header) out += "<th>" + escape_html(cell) + "</th>";
    out += "</tr></thead>";
  }
  out += "<tbody>";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      out += (i == 0 ? "<th scope=\"row\">" : "<td>") + escape_html(row[i]) +
             (i == 0 ? "</th>" : "</td>");
    out += "</tr>";
  }
  return out + "</tbody></table></section>\n";
}

std::string highlights_html(const std::vector<Highlight>& highlights) {
  std::string out = "<div class=\"cards\">";
  for (const Highlight& h : highlights)
    out += fmt::format("<div class=\"card\"><b>{}</b><span>{}</span><small>{}</small></div>",
                       escape_html(h.value), escape_html(h.name), escape_html(h.note));
  return out + "</div>\n";
}

std::string charts_html(const History& history) {
  std::string out;
  if (!history.of("loss").empty() || !history.of("val_loss").empty())
    out += "<figure class=\"wide\">" + svg(loss_chart(history, 1000, 320)) +
           "</figure><figure class=\"narrow\">" + svg(loss_chart(history, 480, 280)) +
           "</figure>\n";
  out += "<div class=\"charts\">";
  for (const Chart& chart : small_charts(history)) out += "<figure>" + svg(chart) + "</figure>\n";
  return out + "</div>\n";
}

std::string commands_html(const Report& report) {
  if (report.commands.empty()) return {};
  std::string out = "<section><h2>Next</h2>";
  for (const auto& [what, command] : report.commands)
    out += fmt::format("<p>{}</p><pre>{}</pre>", escape_html(what), escape_html(command));
  return out + "</section>\n";
}

}  // namespace

std::vector<Highlight> highlights_of(const History& history) {
  std::vector<Highlight> out;
  const Series& loss = history.of("loss");
  const Series& val = history.of("val_loss");
  if (!loss.empty())
    out.push_back({"training loss", fmt::format("{:.4f}", mean_of_last(loss, 20)),
                   fmt::format("mean of the last 20 steps; began at {:.2f}", loss.front().y)});
  if (!val.empty()) {
    const Point best = *std::min_element(val.begin(), val.end(),
                                         [](const Point& a, const Point& b) { return a.y < b.y; });
    out.push_back({"validation loss", fmt::format("{:.4f}", val.back().y),
                   fmt::format("perplexity {:.2f}; best {:.4f} at step {:.0f}",
                               std::exp(val.back().y), best.y, best.x)});
  }
  if (!loss.empty()) {
    const Series& tokens = history.of("tokens");
    out.push_back({"steps", fmt::format("{:.0f}", loss.back().x),
                   tokens.empty() ? "" : text::count(tokens.back().y) + " tokens"});
  }
  if (const Series& speed = history.of("tokens_per_second"); !speed.empty())
    out.push_back({"tokens/s", text::count(median_of(speed)), "median"});
  if (const Series& mfu = history.of("mfu"); !mfu.empty())
    out.push_back({"of peak FLOPs", fmt::format("{:.1f} %", 100 * median_of(mfu)), "median MFU"});
  if (const Series& seconds = history.of("step_seconds"); !seconds.empty()) {
    double total = 0;
    for (const Point& p : seconds) total += p.y;
    out.push_back({"in training steps", text::duration(total),
                   text::duration(median_of(seconds)) + " per step, median"});
  }
  return out;
}

std::string html_report(const Report& report, const History& history) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light "
      "dark\"><title>{}</title><style>{}{}</style></head>\n"
      "<body><main><header><h1>{}</h1><span class=\"state {}\">{}</span><p>{}</p></header>\n",
      escape_html(report.title), chart_style(), kReportStyle, escape_html(report.title),
      report.state == "finished" ? "good" : "other", escape_html(report.state),
      escape_html(report.subtitle));
  out += highlights_html(report.highlights.empty() ? highlights_of(history) : report.highlights);
  out += charts_html(history);
  out += "<div class=\"tables\">";
  for (const ReportTable& table : report.tables) out += table_html(table);
  out += "</div>\n" + commands_html(report);
  if (!report.config.empty())
    out += "<details><summary>Configuration</summary><pre>" + escape_html(report.config) +
           "</pre></details>\n";
  return out + "<footer>Written by Echelon from metrics.jsonl</footer></main></body></html>\n";
}

void write_loss_curve(const std::filesystem::path& file, const std::string& title,
                      const History& history) {
  Chart chart = loss_chart(history, 760, 340);
  chart.title = title;
  write_file_atomically(file, svg_file(chart));
}

void write_report(const std::filesystem::path& folder, const Report& report,
                  const History& history) {
  write_file_atomically(folder / "report.html", html_report(report, history));
  write_loss_curve(folder / "loss.svg", "Loss of " + report.title, history);
}

}  // namespace echelon::telemetry
