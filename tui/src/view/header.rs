//! The first line: the name and the tabs. Where a tab stands is known here alone, also to the mouse.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::chart::spark;
use super::pen::Pen;
use crate::args::Tab;
use crate::format::rate;
use crate::model::Model;
use crate::theme::Tone;

/// From this width on there is room for the name.
const NAME_FROM: u16 = 72;
const NAME: &str = " rowmill ";

/// Columns of the small chart of all throughput, and of the figures beside it.
const PULSE: u16 = 8;
const PULSE_FIGURES: u16 = 16;

/// From this width on there is room for the titles of all tabs.
const TITLES_FROM: u16 = 60;

/// Each tab with its first and the column after its last, on a screen `width` columns wide.
fn places(now: Tab, width: u16) -> impl Iterator<Item = (Tab, String, u16, u16)> {
    let mut x = if width >= NAME_FROM {
        NAME.len() as u16 + 1
    } else {
        0
    };
    Tab::ALL.into_iter().enumerate().map(move |(i, tab)| {
        let label = if width >= TITLES_FROM || tab == now {
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
    places(now, width)
        .find(|(_, _, from, to)| (*from..*to).contains(&x))
        .map(|(tab, ..)| tab)
}

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    if area.width >= NAME_FROM {
        let style = pen.theme.style(Tone::Accent).add_modifier(Modifier::BOLD);
        pen.styled(area.x, area.y, area.width, NAME, style);
    }
    let mut end = area.x;
    for (tab, label, from, to) in places(model.tab, area.width) {
        let style = if tab == model.tab {
            pen.theme
                .style(Tone::Strong)
                .add_modifier(Modifier::REVERSED)
        } else {
            pen.theme.style(Tone::Plain)
        };
        pen.styled(area.x + from, area.y, to - from, &label, style);
        end = area.x + to;
    }
    let room = area.right().saturating_sub(end + 2);
    if let Some((notice, _)) = &model.notice {
        pen.text_right(area.right() - 1, area.y, room, notice, Tone::Good);
    } else if room >= PULSE + PULSE_FIGURES && model.is_live() {
        pulse(model, pen, area);
    }
}

/// How fast the mill runs, on every tab: `▂▃▅▇ 113,417 rows/s`.
fn pulse(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(state) = &model.state else { return };
    let figures = format!(" {:>7} rows/s", rate(state.throughput().0, 7));
    let right = area.right() - 1;
    pen.text_right(right, area.y, PULSE_FIGURES, &figures, Tone::Faint);
    let values = model.history.rows.columns(PULSE.into(), 1);
    spark(pen, (right - PULSE_FIGURES - PULSE, area.y), PULSE, &values);
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
