//! Writes on the buffer: text cut to its place, rules with titles, banners. Every string on the
//! screen goes through here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::text::{fit_in, width};
use crate::theme::{Theme, Tone};

/// A buffer with a theme.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    pub(super) theme: Theme,
    /// Which line of a list stands on which of the screen.
    places: Vec<(u16, usize)>,
}

/// A run of text in one tone.
pub(super) type Ink = (String, Tone);

impl<'a> Pen<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: Theme) -> Self {
        Self {
            buffer,
            theme,
            places: Vec::new(),
        }
    }

    /// Notes that the line `at` of a list stands on line `y`.
    pub(super) fn note_place(&mut self, y: u16, at: usize) {
        self.places.push((y, at));
    }

    pub(super) fn place_at(&self, y: u16) -> Option<usize> {
        let place = self.places.iter().find(|(line, _)| *line == y);
        place.map(|&(_, at)| at)
    }

    pub(super) fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Writes `text` in at most `columns` columns from (x, y). Returns the column after it.
    pub(super) fn text(&mut self, x: u16, y: u16, columns: u16, text: &str, tone: Tone) -> u16 {
        let style = self.theme.style(tone);
        self.styled(x, y, columns, text, style)
    }

    /// As [`text`](Self::text), in any style.
    pub(super) fn styled(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        if columns == 0 || !self.buffer.area().contains((x, y).into()) {
            return x;
        }
        let fitted = fit_in(text, columns.into(), self.theme.charset);
        self.buffer
            .set_stringn(x, y, fitted, columns.into(), style)
            .0
    }

    /// Writes `text` so that it ends at the column before `right`, in at most `columns` columns.
    pub(super) fn text_right(&mut self, right: u16, y: u16, columns: u16, text: &str, tone: Tone) {
        let fitted = fit_in(text, columns.into(), self.theme.charset).into_owned();
        let x = right.saturating_sub(width(&fitted) as u16);
        self.text(x, y, columns, &fitted, tone);
    }

    /// Writes runs one after the other from (x, y) to the column before `right`.
    pub(super) fn inks(&mut self, x: u16, y: u16, right: u16, inks: &[Ink]) -> u16 {
        let mut at = x;
        for (text, tone) in inks {
            at = self.text(at, y, right.saturating_sub(at), text, *tone);
        }
        at
    }

    /// A line across `area`'s top with a title on the left and a remark on the right:
    /// `── title ────────── remark ──`. The title is cut for a remark of up to half the line; a
    /// longer remark yields.
    pub(super) fn rule(&mut self, area: Rect, title: &[Ink], remark: &[Ink]) {
        if area.height == 0 {
            return;
        }
        let dash = self.theme.sign("─", "-");
        let dashes = dash.repeat(area.width.into());
        self.text(area.x, area.y, area.width, &dashes, Tone::Faint);
        let right = area.right().saturating_sub(2);
        let (wide, long) = (inks_width(title), inks_width(remark));
        let mut end = right.saturating_sub(2);
        // Four dashes, and a space on either side of both.
        if long > 0 && (wide + long + 9 <= area.width || long <= area.width / 2) {
            let x = right.saturating_sub(long + 2);
            let after = self.text(x, area.y, 1, " ", Tone::Plain);
            let after = self.inks(after, area.y, right, remark);
            self.text(after, area.y, 1, " ", Tone::Plain);
            end = x.saturating_sub(2);
        }
        let at = self.text(area.x + 2, area.y, 1, " ", Tone::Plain);
        let at = self.inks(at, area.y, end, title);
        self.text(at, area.y, 1, " ", Tone::Plain);
    }

    /// A whole line turned over, so that it is seen without colour.
    pub(super) fn banner(&mut self, area: Rect, text: &str) {
        let style = self.theme.style(Tone::Bad).add_modifier(Modifier::REVERSED);
        self.buffer.set_style(area, style);
        self.styled(
            area.x + 1,
            area.y,
            area.width.saturating_sub(2),
            text,
            style,
        );
    }

    /// Turns `area` over: the chosen line.
    pub(super) fn choose(&mut self, area: Rect) {
        for x in area.left()..area.right() {
            if let Some(cell) = self.buffer.cell_mut((x, area.y)) {
                // Faint on reversed is unreadable on many terminals, and colours become patches.
                cell.fg = Color::Reset;
                cell.modifier.remove(Modifier::DIM);
                cell.modifier.insert(Modifier::REVERSED);
            }
        }
    }

    /// Lines in the middle of `area`, each centred; `None` tones are plain.
    pub(super) fn centred(&mut self, area: Rect, lines: &[Vec<Ink>]) {
        let above = area.height.saturating_sub(lines.len() as u16) / 2;
        for (i, line) in lines.iter().enumerate() {
            let y = area.y + above + i as u16;
            if y >= area.bottom() {
                break;
            }
            let left = area.width.saturating_sub(inks_width(line)) / 2;
            self.inks(area.x + left, y, area.right(), line);
        }
    }
}

/// How many columns the runs take together.
pub(super) fn inks_width(inks: &[Ink]) -> u16 {
    inks.iter()
        .map(|(text, _)| width(text))
        .sum::<usize>()
        .min(u16::MAX.into()) as u16
}
