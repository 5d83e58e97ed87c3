//! The sizes at which the layout of the screen changes, and the splitting of areas.

use ratatui::layout::Rect;

/// Minimum size of the screen: columns, lines.
pub(crate) const MIN_SIZE: (u16, u16) = (40, 8);

/// Minimum height of the screen for the line of key hints.
pub(crate) const HINTS_MIN_HEIGHT: u16 = 16;

/// Splits `area` into its first `lines` lines and the rest.
pub(crate) fn cut_top(area: Rect, lines: u16) -> (Rect, Rect) {
    let lines = lines.min(area.height);
    let rest = Rect {
        y: area.y + lines,
        height: area.height - lines,
        ..area
    };
    (
        Rect {
            height: lines,
            ..area
        },
        rest,
    )
}

/// Splits `area` into the part above its last `lines` lines, and those lines.
pub(crate) fn cut_bottom(area: Rect, lines: u16) -> (Rect, Rect) {
    cut_top(area, area.height.saturating_sub(lines))
}
