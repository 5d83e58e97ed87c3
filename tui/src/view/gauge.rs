//! A bar with its percentage, one line high.

use super::pen::Pen;
use crate::format::percent;
use crate::theme::Tone;

/// Columns for the percentage: `100 %` and a space before it.
const FIGURE: u16 = 6;

/// Draws the share done in `width` columns from `at`: `━━━━━━━╸─────  66 %`. Where the share is not
/// known, an empty bar and a dash.
pub(super) fn gauge(pen: &mut Pen, at: (u16, u16), width: u16, share: Option<f64>, tone: Tone) {
    let (x, y) = at;
    let bar = width.saturating_sub(FIGURE);
    let figure = share.map_or_else(|| pen.theme.sign("–  ", "-  ").to_owned(), percent);
    if bar < 3 {
        return pen.text_right(x + width, y, width, &figure, tone);
    }
    let share = share.unwrap_or(0.0).clamp(0.0, 1.0);
    // Half columns, as the halves of a heavy line are there in every font. A begun job shows one,
    // and an unfinished one never fills the bar.
    let halves = (share * f64::from(bar) * 2.0).floor() as u16;
    let halves = match share {
        s if s <= 0.0 => 0,
        s if s >= 1.0 => bar * 2,
        _ => halves.clamp(1, bar * 2 - 1),
    };
    let (full, half) = (halves / 2, halves % 2);
    let done = pen.theme.sign("━", "#").repeat(full.into());
    let end = pen.text(x, y, bar, &done, tone);
    let end = if half == 1 {
        let sign = pen.theme.sign("╸", "-");
        pen.text(end, y, 1, sign, tone)
    } else {
        end
    };
    let left = (x + bar).saturating_sub(end);
    let rest = pen.theme.sign("─", ".").repeat(left.into());
    pen.text(end, y, left, &rest, Tone::Faint);
    pen.text_right(x + width, y, FIGURE, &figure, Tone::Plain);
}
