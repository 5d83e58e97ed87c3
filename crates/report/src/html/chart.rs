//! Charts as inline SVG, drawn in the page's own colours.

use cli::format;
use cli::text::Charset;
use maud::{Markup, html};
use proto::v1::{Bin, ColumnProfile, TopValue};

use super::shown;
use crate::{number, result_text};

/// A drawing is scaled to its container, so these are only proportions.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 96.0;
/// Longer numbers are rounded.
const AXIS_WIDTH: usize = 40;
/// Number of bars of the small histogram in the overview.
const SMALL_BARS: usize = 24;

/// The histogram, each bar with its range and count as a tooltip. Empty if there is none.
pub(super) fn histogram(column: &ColumnProfile) -> Markup {
    let bins = &column.histogram;
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    if most == 0 {
        return Markup::default();
    }
    let wide = WIDTH / bins.len() as f64;
    let tip = |bin: &Bin| {
        format!(
            "{} to {}: {}",
            number::text(bin.from),
            number::text(bin.to),
            format::grouped(bin.count)
        )
    };
    html! {
        svg.histogram viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label="histogram" {
            @for (at, bin) in bins.iter().enumerate() {
                (bar(at, wide, HEIGHT, bin.count as f64 / most as f64, &tip(bin)))
            }
        }
        (quartiles(column))
        (axis(column))
    }
}

/// The histogram without text, for a table's cell. `None` if there is none.
pub(super) fn small_histogram(column: &ColumnProfile) -> Option<Markup> {
    let heights = result_text::bar_heights(column, SMALL_BARS);
    let most = heights.iter().copied().fold(0.0, f64::max);
    let width = heights.len() * 4;
    (most > 0.0).then(|| {
        html! {
            svg.small width=(width) height="20" viewBox={ "0 0 " (width) " 20" } aria-hidden="true" {
                @for (at, height) in heights.iter().enumerate() {
                    (bar(at, 4.0, 20.0, height / most, ""))
                }
            }
        }
    })
}

/// One bar of `share` of the height; a share above 0 is always visible.
fn bar(at: usize, wide: f64, high: f64, share: f64, tip: &str) -> Markup {
    if share <= 0.0 {
        return Markup::default();
    }
    let height = (share * high).max(high / 60.0);
    html! {
        rect x=(place(at as f64 * wide + wide * 0.05)) y=(place(high - height))
            width=(place(wide * 0.9)) height=(place(height)) {
            @if !tip.is_empty() { title { (tip) } }
        }
    }
}

/// A coordinate in a drawing.
fn place(at: f64) -> String {
    format!("{at:.2}")
}

/// Below the histogram, on the same scale: a line from 5 to 95 %, a box from the first to the third
/// quartile, and the median within.
fn quartiles(column: &ColumnProfile) -> Markup {
    let (Some(first), Some(last)) = (column.histogram.first(), column.histogram.last()) else {
        return Markup::default();
    };
    let range = last.to - first.from;
    let at = |rank: f64| {
        let value = result_text::quantile(column, rank)?.value;
        let share = (value - first.from) / range;
        share.is_finite().then_some(share.clamp(0.0, 1.0) * WIDTH)
    };
    let [Some(p5), Some(q1), Some(median), Some(q3), Some(p95)] =
        [0.05, 0.25, 0.5, 0.75, 0.95].map(at)
    else {
        return Markup::default();
    };
    html! {
        svg.quartiles viewBox={ "0 0 " (WIDTH) " 12" } preserveAspectRatio="none" aria-hidden="true" {
            title { "5 to 95 %, the quartiles, and the median" }
            path d={ "M" (place(p5)) " 6H" (place(p95)) } {}
            rect x=(place(q1)) y="2" width=(place((q3 - q1).max(1.0))) height="8" {}
            path.median d={ "M" (place(median)) " 0V12" } {}
        }
    }
}

/// The minimum and the maximum, below the ends of the axis.
fn axis(column: &ColumnProfile) -> Markup {
    let end = |text: &Option<String>| {
        let text = number::decimal_text(text.as_deref().unwrap_or_default(), AXIS_WIDTH);
        shown(&text).into_owned()
    };
    html! { div.axis { span { (end(&column.min)) } span { (end(&column.max)) } } }
}

/// The most frequent values, each with a bar for its share of all non-empty cells. Empty if no value
/// occurs twice.
pub(super) fn top_values(column: &ColumnProfile) -> Markup {
    if result_text::top(column, Charset::Utf8).is_none() {
        return Markup::default();
    }
    let all = result_text::non_empty(column).max(1);
    html! {
        h3 { "Most frequent" }
        table.top { @for top in &column.top { (top_value(top, all)) } }
        @if let Some(rest) = column.top_rest {
            p.faint { "No other value occurs more than " (format::plural(rest, "time")) "." }
        }
    }
}

fn top_value(top: &TopValue, all: u64) -> Markup {
    let percent = (top.count as f64 / all as f64 * 100.0).min(100.0);
    html! {
        tr {
            td.value { (shown(&top.value)) }
            td.number {
                (format::grouped(top.count))
                @if top.over > 0 { " (up to " (format::grouped(top.over)) " too many)" }
            }
            td.number { (result_text::share(top.count, all)) }
            td.bar { i style={ "width:" (place(percent)) "%" } {} }
        }
    }
}
