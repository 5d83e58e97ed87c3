//! The first line: the name and the tabs, with the tabs' positions for drawing and for mouse clicks.

use cli::format::rate;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::canvas::Canvas;
use super::chart::sparkline;
use crate::model::Model;
use crate::tab::Tab;
use crate::theme::TextStyle;

/// Minimum width of the screen for the name.
const NAME_MIN_WIDTH: u16 = 72;
const NAME: &str = " rowmill ";

/// Width of the sparkline of the total throughput, and of the rate beside it.
const SPARKLINE_WIDTH: u16 = 8;
const RATE_WIDTH: u16 = 16;

/// Minimum width of the screen for the titles of all tabs.
const TITLES_MIN_WIDTH: u16 = 60;

/// Each tab with its label, its first column and the column after its last, on a screen of `width` columns.
fn tab_spans(now: Tab, width: u16) -> impl Iterator<Item = (Tab, String, u16, u16)> {
    let mut x = if width >= NAME_MIN_WIDTH {
        NAME.len() as u16 + 1
    } else {
        0
    };
    Tab::ALL.into_iter().enumerate().map(move |(i, tab)| {
        let label = if width >= TITLES_MIN_WIDTH || tab == now {
            format!(" {} {} ", i + 1, tab.title())
        } else {
            format!(" {} ", i + 1)
        };
        let from = x;
        x += label.len() as u16;
        (tab, label, from, x)
    })
}

/// The tab at column `x` of the first line.
pub(crate) fn tab_at(now: Tab, x: u16, width: u16) -> Option<Tab> {
    tab_spans(now, width)
        .find(|(_, _, from, to)| (*from..*to).contains(&x))
        .map(|(tab, ..)| tab)
}

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    if area.width >= NAME_MIN_WIDTH {
        let style = canvas
            .theme
            .style(TextStyle::Accent)
            .add_modifier(Modifier::BOLD);
        canvas.styled(area.x, area.y, area.width, NAME, style);
    }
    let mut end = area.x;
    for (tab, label, from, to) in tab_spans(model.tab, area.width) {
        let style = if tab == model.tab {
            canvas
                .theme
                .style(TextStyle::Strong)
                .add_modifier(Modifier::REVERSED)
        } else {
            canvas.theme.style(TextStyle::Plain)
        };
        canvas.styled(area.x + from, area.y, to - from, &label, style);
        end = area.x + to;
    }
    let room = area.right().saturating_sub(end + 2);
    if let Some((notice, _)) = &model.notice {
        canvas.text_right(area.right() - 1, area.y, room, notice, TextStyle::Good);
    } else if room >= SPARKLINE_WIDTH + RATE_WIDTH && model.is_live() {
        throughput(model, canvas, area);
    }
}

/// Draws the total throughput: `▂▃▅▇ 113,417 rows/s`.
fn throughput(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some(state) = &model.state else { return };
    let figures = format!(" {:>7} rows/s", rate(state.throughput().0, 7));
    let right = area.right() - 1;
    canvas.text_right(right, area.y, RATE_WIDTH, &figures, TextStyle::Faint);
    let values = model.history.rows.columns(SPARKLINE_WIDTH.into(), 1);
    sparkline(
        canvas,
        (right - RATE_WIDTH - SPARKLINE_WIDTH, area.y),
        SPARKLINE_WIDTH,
        &values,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_finds_the_tab_under_it() {
        let at = |x, width| tab_at(Tab::Rows, x, width);
        assert_eq!(at(0, 80), None);
        assert_eq!(at(11, 80), Some(Tab::Jobs));
        assert_eq!(at(79, 80), None);
        assert_eq!(at(0, 40), Some(Tab::Jobs));
        assert_eq!(at(10, 40), Some(Tab::Rows));
        assert_eq!(at(15, 40), Some(Tab::Workers));
        assert_eq!(at(39, 40), None);
    }
}
