//! Charts of values over time, drawn with eighth blocks; sparklines are one line high.

use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use crate::layout::cut_top;
use crate::theme::TextStyle;

const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII: [&str; 9] = [" ", "_", ".", ":", "-", "=", "+", "*", "#"];

/// The area and the time scale of a chart of the last minutes.
pub(super) struct Plot {
    pub(super) area: Rect,
    /// Seconds per column, so that the chart covers at least five minutes.
    pub(super) step: u64,
}

impl Plot {
    /// The area below a title of one line. `None` if `area` is too small.
    pub(super) fn below_title(area: Rect) -> Option<Self> {
        if area.height < 2 {
            return None;
        }
        let (_, plot) = cut_top(area, 1);
        let area = Rect {
            x: plot.x + 1,
            width: plot.width.saturating_sub(2),
            ..plot
        };
        let step = 300u64.div_ceil(area.width.into()).max(1);
        Some(Self { area, step })
    }

    /// Seconds that the chart covers.
    pub(super) fn seconds(&self) -> u64 {
        u64::from(self.area.width) * self.step
    }

    pub(super) fn columns(&self) -> usize {
        self.area.width.into()
    }

    /// `, 6 min`.
    pub(super) fn span(&self) -> StyledText {
        (format!(", {} min", self.seconds() / 60), TextStyle::Faint)
    }
}

/// Draws `values`, newest last, on one line of `width` columns, scaled to their maximum.
pub(super) fn sparkline(canvas: &mut Canvas, at: (u16, u16), width: u16, values: &[f32]) {
    let area = Rect::new(at.0, at.1, width, 1);
    let shown = &values[values.len().saturating_sub(width.into())..];
    // The top eighth stays empty to separate the sparklines of adjacent lines.
    chart(canvas, area, shown, peak(shown) * 8.0 / 7.0);
}

/// Draws `values`, newest last and on the right; `top` is the value at the top of `area`. Unknown
/// values (NaN) are left out; a value above zero is at least one eighth high.
pub(super) fn chart(canvas: &mut Canvas, area: Rect, values: &[f32], top: f32) {
    let steps = u32::from(area.height) * 8;
    let shown = values.len().min(area.width.into());
    for (i, &value) in values[values.len() - shown..].iter().enumerate() {
        let x = area.right() - (shown - i) as u16;
        let Some(level) = level(value, top, steps) else {
            continue;
        };
        for row in 0..area.height {
            let below = u32::from(row) * 8;
            let eighths = level.saturating_sub(below).min(8) as usize;
            let y = area.bottom() - 1 - row;
            if eighths > 0 {
                let sign = canvas.theme.sign(BLOCKS[eighths], ASCII[eighths]);
                canvas.text(x, y, 1, sign, TextStyle::Accent);
            } else if row == 0 {
                // The base line marks a known zero.
                let ground = canvas.theme.sign("▁", "_");
                canvas.text(x, y, 1, ground, TextStyle::Faint);
            }
        }
    }
}

fn level(value: f32, top: f32, steps: u32) -> Option<u32> {
    if !value.is_finite() {
        None
    } else if value <= 0.0 || top <= 0.0 {
        Some(0)
    } else {
        let level = (value / top * steps as f32).round() as u32;
        Some(level.clamp(1, steps))
    }
}

/// The highest known value; 0 if there is none.
pub(super) fn peak(values: &[f32]) -> f32 {
    values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0, f32::max)
}

/// `value` rounded up to 1, 1.5, 2, 3, 5 or 7 times a power of ten, so that the scale does not follow
/// every small change of the peak.
pub(super) fn axis_max(value: f32) -> f32 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f32.powf(value.log10().floor());
    let times = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0];
    let fits = times.into_iter().find(|times| times * power >= value);
    fits.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_round_and_not_below() {
        for (value, round) in [
            (0.0, 1.0),
            (101.0, 150.0),
            (98_765.0, 100_000.0),
            (7.0, 7.0),
        ] {
            assert!((axis_max(value) - round).abs() < 1e-3, "{value}");
        }
    }

    #[test]
    fn little_is_not_nothing_and_unknown_is_not_zero() {
        assert_eq!(level(0.001, 100.0, 8), Some(1));
        assert_eq!(level(0.0, 100.0, 8), Some(0));
        assert_eq!(level(f32::NAN, 100.0, 8), None);
        assert_eq!(level(200.0, 100.0, 8), Some(8));
    }
}
