#pragma once
// Line charts as SVG, by hand: a few elements, no script, no reference to anything outside.
#include <string>
#include <vector>

#include "echelon/telemetry/history.h"

namespace echelon::telemetry {

enum class Unit { plain, tokens_per_second, percent, bytes, seconds, rate };

struct Curve {
  std::string name;    ///< in the legend
  Series points;       ///< any length; thinned to 2,000
  int color = 1;       ///< 1 blue, 2 orange
  bool faint = false;  ///< raw values behind a smoothed curve; not in the legend
  bool dots = false;   ///< few points: mark each
};

struct Chart {
  std::string title;
  Unit unit = Unit::plain;
  std::vector<Curve> curves;
  bool from_zero = false;    ///< the axis begins at 0 (amounts); otherwise it frames the values
  bool clip_spikes = false;  ///< a few far larger values do not flatten the rest; they are named
  int width = 480, height = 240;
};

/// Raw values faint, their trend over them; only the values when there are few.
std::vector<Curve> with_trend(const std::string& name, const Series& series, int color);

/// An <svg> element to put into a page that has chart_style() in a style element.
std::string svg(const Chart& chart);
/// Colours (light and dark) and type of all charts.
std::string chart_style();
/// A complete SVG file with its own style and background.
std::string svg_file(const Chart& chart);

/// Text for HTML and XML: & < > " escaped, control characters dropped.
std::string escape_html(std::string_view text);

}  // namespace echelon::telemetry
