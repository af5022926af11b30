#include "echelon/telemetry/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "echelon/base/text.h"

namespace echelon::telemetry {

namespace {

constexpr double kLeft = 44, kRight = 14, kTop = 38, kBottom = 30;

struct Axis {
  double low = 0, high = 1, step = 1;
  double at(double value, double from, double to) const {
    const double share = high > low ? (std::clamp(value, low, high) - low) / (high - low) : 0.5;
    return from + share * (to - from);
  }
};

/// Values are shown divided by `factor`; the unit goes into the title.
struct Scale {
  double factor = 1;
  std::string unit;
};

Scale scale_of(Unit unit, double largest) {
  const auto thousands = [&](std::array<const char*, 5> names) {
    size_t i = 0;
    double factor = 1;
    while (largest / factor >= 1000 && i + 1 < names.size()) factor *= 1000, ++i;
    return Scale{factor, names[i]};
  };
  switch (unit) {
    case Unit::percent: return {0.01, "%"};
    case Unit::bytes: return thousands({"bytes", "kB", "MB", "GB", "TB"});
    case Unit::tokens_per_second:
      return thousands({"tokens/s", "thousand tokens/s", "million tokens/s", "billion tokens/s",
                        "trillion tokens/s"});
    case Unit::rate: {
      if (!(largest > 0)) return {1, ""};
      const int power = static_cast<int>(std::floor(std::log10(largest * (1 + 1e-9))));
      if (power >= -1) return {1, ""};
      return {std::pow(10.0, power), fmt::format("× 1e{}", power)};
    }
    case Unit::seconds: return {1, "s"};
    case Unit::plain: return {};
  }
  return {};
}

std::string number(double value, double step) {
  const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 6);
  if (std::abs(value) < step * 1e-6) value = 0;
  return fmt::format("{:.{}f}", value, digits);
}

std::string step_number(double value) {
  value = std::round(value) + 0.0;  // no "-0"
  if (value < 10000) return fmt::format("{:.0f}", value);
  const auto [divisor, unit] = value < 1e6 ? std::pair{1e3, "K"} : std::pair{1e6, "M"};
  std::string out = fmt::format("{:.2f}", value / divisor);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out + unit;
}

template <class F>
void for_points(const Chart& chart, F&& f) {
  for (const Curve& curve : chart.curves)
    for (const Point& p : curve.points) f(p);
}

Axis x_axis(const Chart& chart) {
  Axis axis{1e300, -1e300, 1};
  for_points(chart, [&](const Point& p) {
    axis.low = std::min(axis.low, p.x);
    axis.high = std::max(axis.high, p.x);
  });
  if (axis.low > axis.high) return {0, 1, 1};
  // Runs begin at step 1; counting from 0 gives round marks.
  if (axis.low <= axis.high * 0.05) axis.low = 0;
  if (axis.high <= axis.low) axis = {axis.low - 1, axis.high + 1, 1};
  axis.step = std::max(1.0, nice_step(axis.high - axis.low, chart.width > 600 ? 10 : 6));
  return axis;
}

struct Values {
  Axis axis;
  Point largest;  ///< outside the axis when clipped
  bool clipped = false;
};

Values y_axis(const Chart& chart) {
  std::vector<double> all;
  Values v;
  v.largest.y = -1e300;
  for_points(chart, [&](const Point& p) {
    all.push_back(p.y);
    if (p.y > v.largest.y) v.largest = p;
  });
  if (all.empty()) return {};
  std::sort(all.begin(), all.end());
  double low = all.front(), high = all.back();
  if (chart.clip_spikes && all.size() >= 20) {
    const double usual = all[all.size() * 98 / 100];
    if (usual > 0 && high > 3 * usual) {
      high = 1.5 * usual;
      v.clipped = true;
    }
  }
  if (chart.from_zero) low = std::min(low, 0.0);
  if (high - low < 1e-12 * std::max(1.0, std::abs(high))) {
    const double room = high != 0 ? std::abs(high) * 0.5 : 0.5;
    if (!chart.from_zero) low -= room;
    high += room;
  }
  const double step = nice_step(high - low, 5);
  v.axis = {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, step};
  return v;
}

std::string path_of(const Series& points, const Axis& x, const Axis& y, const Chart& chart) {
  std::string d;
  for (const Point& p : points)
    d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L",
                     x.at(p.x, kLeft, chart.width - kRight),
                     y.at(p.y, chart.height - kBottom, kTop));
  return d;
}

std::string draw_curve(const Curve& curve, const Axis& x, const Axis& y, const Chart& chart) {
  if (curve.points.empty()) return {};
  const Series points = thinned(curve.points);
  std::string out;
  if (points.size() > 1)
    out += fmt::format("<path class=\"c{}{}\" d=\"{}\"/>", curve.color, curve.faint ? " raw" : "",
                       path_of(points, x, y, chart));
  if (points.size() == 1 || (curve.dots && points.size() <= 60))
    for (const Point& p : points)
      out += fmt::format("<circle class=\"d{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\"/>",
                         curve.color, x.at(p.x, kLeft, chart.width - kRight),
                         y.at(p.y, chart.height - kBottom, kTop));
  return out;
}

std::string draw_grid(const Axis& x, const Axis& y, double factor, const Chart& chart) {
  const double bottom = chart.height - kBottom, right = chart.width - kRight;
  std::string out;
  for (double v = y.low; v <= y.high + y.step * 1e-6; v += y.step) {
    const double at = y.at(v, bottom, kTop);
    out += fmt::format("<path class=\"{}\" d=\"M{} {:.1f}H{}\"/>",
                       v <= y.low + y.step * 1e-6 ? "axis" : "grid", kLeft, at, right);
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                       kLeft - 6, at + 3.6, number(v / factor, y.step / factor));
  }
  // The last mark carries the name of the axis when it is near the right end.
  const double first = std::ceil(x.low / x.step - 1e-9) * x.step;
  const double final = std::floor(x.high / x.step + 1e-9) * x.step;
  const bool named = x.at(final, kLeft, right) > right - 40;
  const double free = right - (named ? 64 : 30);
  for (double v = first; v <= final + x.step * 1e-6; v += x.step) {
    const double at = x.at(v, kLeft, right);
    out += fmt::format("<path class=\"axis\" d=\"M{:.1f} {}v4\"/>", at, bottom);
    if (at + 14 < free)
      out +=
          fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                      at, bottom + 17, step_number(v));
  }
  return out + fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                           right, bottom + 17,
                           named ? fmt::format("step {}", step_number(final)) : "step");
}

/// Names from right to left above the plot; a single curve needs none.
std::string draw_legend(const Chart& chart) {
  std::vector<const Curve*> named;
  for (const Curve& c : chart.curves)
    if (!c.faint && !c.name.empty() && !c.points.empty()) named.push_back(&c);
  if (named.size() < 2) return {};
  double right = chart.width - kRight;
  std::string out;
  for (size_t i = named.size(); i-- > 0;) {
    out += fmt::format("<text class=\"tick\" x=\"{:.0f}\" y=\"19\" text-anchor=\"end\">{}</text>",
                       right, escape_html(named[i]->name));
    const double width = 6.3 * static_cast<double>(named[i]->name.size());
    out += fmt::format("<path class=\"c{}\" d=\"M{:.0f} 15h14\"/>", named[i]->color,
                       right - width - 20);
    right -= width + 34;
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

std::vector<Curve> with_trend(const std::string& name, const Series& series, int color) {
  if (series.size() < 60) return {{name, series, color, false, series.size() < 15}};
  const size_t half = std::clamp<size_t>(series.size() / 80, 4, 200);
  return {{name, series, color, true, false}, {name, trend(series, half), color, false, false}};
}

std::string svg(const Chart& chart) {
  const Axis x = x_axis(chart);
  const Values values = y_axis(chart);
  const Axis& y = values.axis;
  const Scale scale = scale_of(chart.unit, std::max(std::abs(y.low), std::abs(y.high)));
  std::string title = escape_html(chart.title);
  std::string out = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">"
      "<text class=\"title\" x=\"2\" y=\"19\">{}<tspan class=\"unit\" dx=\"6\">{}</tspan></text>",
      chart.width, chart.height, title, title, escape_html(scale.unit));
  out += draw_grid(x, y, scale.factor, chart);
  for (const Curve& curve : chart.curves) out += draw_curve(curve, x, y, chart);
  out += draw_legend(chart);
  if (values.clipped)
    out += fmt::format(
        "<text class=\"tick\" x=\"{}\" y=\"19\" text-anchor=\"end\">largest {:.3g} at step "
        "{:.0f}</text>",
        chart.width - kRight, values.largest.y / scale.factor, values.largest.x);
  return out + "</svg>";
}

std::string chart_style() {
  return ":root{--text:#1f2328;--soft:#656d76;--line:#d8dee4;--blue:#1f6feb;--orange:#d9730d;"
         "--page:#ffffff}"
         "@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9198a1;--line:#30363d;"
         "--blue:#58a6ff;--orange:#f0a04b;--page:#0d1117}}"
         ".chart{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation "
         "Sans',sans-serif}"
         ".chart path{fill:none;stroke-linejoin:round;stroke-linecap:round}"
         ".chart .grid{stroke:var(--line);stroke-width:.7}.chart "
         ".axis{stroke:var(--soft);stroke-width:.8}"
         ".chart .c1{stroke:var(--blue);stroke-width:1.8}.chart "
         ".c2{stroke:var(--orange);stroke-width:1.8}"
         ".chart .raw{stroke-width:1;opacity:.3}"
         ".chart .d1{fill:var(--blue)}.chart .d2{fill:var(--orange)}"
         ".chart text{fill:var(--text)}.chart .title{font-size:13px;font-weight:600}"
         ".chart .tick{font-size:11px;fill:var(--soft)}"
         ".chart .unit{font-size:11px;font-weight:400;fill:var(--soft)}";
}

std::string svg_file(const Chart& chart) {
  std::string body = svg(chart);
  constexpr int kEdge = 14;
  const int width = chart.width + 2 * kEdge, height = chart.height + kEdge;
  const std::string head = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" class=\"chart\" "
      "viewBox=\"{2} {2} {0} {1}\"",
      width, height, -kEdge);
  body.replace(0, body.find(" role="), head);
  const std::string style = fmt::format(
      "<style>{0}</style><rect x=\"{1}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" "
      "fill=\"var(--page)\"/>",
      chart_style(), -kEdge, width, height);
  body.insert(body.find('>') + 1, style);
  return body + "\n";
}

}  // namespace echelon::telemetry
