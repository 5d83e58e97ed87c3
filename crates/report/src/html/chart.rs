//! Charts as inline SVG, drawn in the page's own colours.

use cli::format;
use cli::text::Charset;
use proto::v1::{ColumnProfile, TopValue};

use crate::result_text;

use super::escape::escaped;

/// A drawing is scaled to its container, so these are only proportions.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 96.0;
/// Longer numbers are rounded.
const AXIS_WIDTH: usize = 40;
/// Number of bars of the small histogram in the overview.
const SMALL_BARS: usize = 24;

/// The histogram, each bar with its range and count as a tooltip. Empty if there is none.
pub(super) fn histogram(column: &ColumnProfile) -> String {
    let most = column
        .histogram
        .iter()
        .map(|bin| bin.count)
        .max()
        .unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let wide = WIDTH / column.histogram.len() as f64;
    let mut bars = String::new();
    for (at, bin) in column.histogram.iter().enumerate() {
        let tip = format!(
            "{} to {}: {}",
            format::number(bin.from),
            format::number(bin.to),
            format::grouped(bin.count)
        );
        bars += &bar(at, wide, HEIGHT, bin.count as f64 / most as f64, &tip);
    }
    format!(
        "<svg class=\"histogram\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"histogram\">{bars}</svg>{}{}",
        quartiles(column),
        axis(column)
    )
}

/// The histogram without text, for a table's cell.
pub(super) fn small_histogram(column: &ColumnProfile) -> String {
    let heights = result_text::bar_heights(column, SMALL_BARS);
    let most = heights.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let bars: String = heights
        .iter()
        .enumerate()
        .map(|(at, height)| bar(at, 4.0, 20.0, height / most, ""))
        .collect();
    let width = heights.len() * 4;
    format!(
        "<svg class=\"small\" width=\"{width}\" height=\"20\" viewBox=\"0 0 {width} 20\" \
         aria-hidden=\"true\">{bars}</svg>"
    )
}

/// One bar of `share` of the height; a share above 0 is always visible.
fn bar(at: usize, wide: f64, high: f64, share: f64, tip: &str) -> String {
    if share <= 0.0 {
        return String::new();
    }
    let height = (share * high).max(high / 60.0);
    let (x, y, width) = (at as f64 * wide + wide * 0.05, high - height, wide * 0.9);
    let title = if tip.is_empty() {
        String::new()
    } else {
        format!("<title>{}</title>", escaped(tip))
    };
    format!(
        "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">{title}</rect>"
    )
}

/// Below the histogram, on the same scale: a line from 5 to 95 %, a box from the first to the third
/// quartile, and the median within.
fn quartiles(column: &ColumnProfile) -> String {
    let (Some(first), Some(last)) = (column.histogram.first(), column.histogram.last()) else {
        return String::new();
    };
    let range = last.to - first.from;
    let place = |rank: f64| {
        let value = result_text::quantile(column, rank)?.value;
        let share = (value - first.from) / range;
        share.is_finite().then_some(share.clamp(0.0, 1.0) * WIDTH)
    };
    let ranks = [0.05, 0.25, 0.5, 0.75, 0.95].map(place);
    let [Some(p5), Some(q1), Some(median), Some(q3), Some(p95)] = ranks else {
        return String::new();
    };
    format!(
        "<svg class=\"quartiles\" viewBox=\"0 0 {WIDTH} 12\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\">\
         <title>5 to 95 %, the quartiles, and the median</title>\
         <path d=\"M{p5:.2} 6H{p95:.2}\"/>\
         <rect x=\"{q1:.2}\" y=\"2\" width=\"{:.2}\" height=\"8\"/>\
         <path class=\"median\" d=\"M{median:.2} 0V12\"/></svg>",
        (q3 - q1).max(1.0)
    )
}

/// The minimum and the maximum, below the ends of the axis.
fn axis(column: &ColumnProfile) -> String {
    let end = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        escaped(&format::short_decimal(text, AXIS_WIDTH))
    };
    format!(
        "<div class=\"axis\"><span>{}</span><span>{}</span></div>",
        end(&column.min),
        end(&column.max)
    )
}

/// The most frequent values, each with a bar for its share of all non-empty cells. Empty if no value
/// occurs twice.
pub(super) fn top_values(column: &ColumnProfile) -> String {
    let all = result_text::non_empty(column).max(1);
    let rows: String = column.top.iter().map(|top| top_value(top, all)).collect();
    if result_text::top(column, Charset::Utf8).is_none() {
        return String::new();
    }
    let rest = match column.top_rest {
        Some(rest) => format!(
            "<p class=\"faint\">No other value comes more than {}.</p>",
            format::plural(rest, "time")
        ),
        None => String::new(),
    };
    format!("<h3>Most frequent</h3><table class=\"top\">{rows}</table>{rest}")
}

fn top_value(top: &TopValue, all: u64) -> String {
    let over = match top.over {
        0 => String::new(),
        over => format!(" (up to {} too many)", format::grouped(over)),
    };
    format!(
        "<tr><td class=\"value\">{}</td><td class=\"number\">{}{over}</td>\
         <td class=\"number\">{}</td><td class=\"bar\"><i style=\"width:{:.2}%\"></i></td></tr>",
        escaped(&top.value),
        format::grouped(top.count),
        result_text::share(top.count, all),
        (top.count as f64 / all as f64 * 100.0).min(100.0)
    )
}
