//! A progress bar with its percentage, one line high.

use cli::format::percent;

use super::canvas::Canvas;
use crate::theme::TextStyle;

/// Width of the percentage: `100 %` and a space before it.
const PERCENT_WIDTH: u16 = 6;

/// Draws `share` in `width` columns from `at`: `━━━━━━━╸─────  66 %`. If it is `None`, draws an empty
/// bar and a dash.
pub(super) fn gauge(
    canvas: &mut Canvas,
    at: (u16, u16),
    width: u16,
    share: Option<f64>,
    text_style: TextStyle,
) {
    let (x, y) = at;
    let bar = width.saturating_sub(PERCENT_WIDTH);
    let figure = share.map_or_else(|| canvas.theme.sign("–  ", "-  ").to_owned(), percent);
    if bar < 3 {
        return canvas.text_right(x + width, y, width, &figure, text_style);
    }
    let share = share.unwrap_or(0.0).clamp(0.0, 1.0);
    // Half columns, since every font has the halves of a heavy line. A started job shows at least
    // one, and an unfinished one never fills the bar.
    let halves = (share * f64::from(bar) * 2.0).floor() as u16;
    let halves = match share {
        s if s <= 0.0 => 0,
        s if s >= 1.0 => bar * 2,
        _ => halves.clamp(1, bar * 2 - 1),
    };
    let (full, half) = (halves / 2, halves % 2);
    let done = canvas.theme.sign("━", "#").repeat(full.into());
    let end = canvas.text(x, y, bar, &done, text_style);
    let end = if half == 1 {
        let sign = canvas.theme.sign("╸", "-");
        canvas.text(end, y, 1, sign, text_style)
    } else {
        end
    };
    let left = (x + bar).saturating_sub(end);
    let rest = canvas.theme.sign("─", ".").repeat(left.into());
    canvas.text(end, y, left, &rest, TextStyle::Faint);
    canvas.text_right(x + width, y, PERCENT_WIDTH, &figure, TextStyle::Plain);
}
