//! Drawing primitives: text cut to its width, rules with titles, banners. Every string on the screen
//! is drawn here.

use cli::text::{fit_in, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::theme::{TextStyle, Theme};

/// A buffer with a theme.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    pub(super) theme: Theme,
    /// Lines of the screen, each with the index of the list item drawn there.
    list_lines: Vec<(u16, usize)>,
}

/// A run of text in one style.
pub(super) type StyledText = (String, TextStyle);

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: Theme) -> Self {
        Self {
            buffer,
            theme,
            list_lines: Vec::new(),
        }
    }

    /// Records that the list item `index` is drawn on line `y`.
    pub(super) fn record_line(&mut self, y: u16, index: usize) {
        self.list_lines.push((y, index));
    }

    pub(super) fn index_at(&self, y: u16) -> Option<usize> {
        let place = self.list_lines.iter().find(|(line, _)| *line == y);
        place.map(|&(_, at)| at)
    }

    pub(super) fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Draws `text` in at most `columns` columns from (x, y). Returns the column after it.
    pub(super) fn text(
        &mut self,
        x: u16,
        y: u16,
        columns: u16,
        text: &str,
        text_style: TextStyle,
    ) -> u16 {
        let style = self.theme.style(text_style);
        self.styled(x, y, columns, text, style)
    }

    /// Like [`text`](Self::text), in any style.
    pub(super) fn styled(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        if columns == 0 || !self.buffer.area().contains((x, y).into()) {
            return x;
        }
        let fitted = fit_in(text, columns.into(), self.theme.charset);
        self.buffer
            .set_stringn(x, y, fitted, columns.into(), style)
            .0
    }

    /// Draws `text` right-aligned before column `right`, in at most `columns` columns.
    pub(super) fn text_right(
        &mut self,
        right: u16,
        y: u16,
        columns: u16,
        text: &str,
        text_style: TextStyle,
    ) {
        let fitted = fit_in(text, columns.into(), self.theme.charset).into_owned();
        let x = right.saturating_sub(width(&fitted) as u16);
        self.text(x, y, columns, &fitted, text_style);
    }

    /// Draws the runs one after another from (x, y) to the column before `right`.
    pub(super) fn styled_texts(
        &mut self,
        x: u16,
        y: u16,
        right: u16,
        styled_texts: &[StyledText],
    ) -> u16 {
        let mut at = x;
        for (text, text_style) in styled_texts {
            at = self.text(at, y, right.saturating_sub(at), text, *text_style);
        }
        at
    }

    /// Draws a rule at the top of `area` with a title on the left and a remark on the right:
    /// `── title ────────── remark ──`. The title is cut to make room for a remark of up to half the
    /// line; a longer remark is left out if both do not fit.
    pub(super) fn rule(&mut self, area: Rect, title: &[StyledText], remark: &[StyledText]) {
        if area.height == 0 {
            return;
        }
        let dash = self.theme.sign("─", "-");
        let dashes = dash.repeat(area.width.into());
        self.text(area.x, area.y, area.width, &dashes, TextStyle::Faint);
        let right = area.right().saturating_sub(2);
        let (wide, long) = (styled_width(title), styled_width(remark));
        let mut end = right.saturating_sub(2);
        // Four dashes, a space on either side of both, and a dash between them.
        if long > 0 && (wide + long + 9 <= area.width || long <= area.width / 2) {
            let x = right.saturating_sub(long + 2);
            let after = self.text(x, area.y, 1, " ", TextStyle::Plain);
            let after = self.styled_texts(after, area.y, right, remark);
            self.text(after, area.y, 1, " ", TextStyle::Plain);
            end = x.saturating_sub(2);
        }
        let at = self.text(area.x + 2, area.y, 1, " ", TextStyle::Plain);
        let at = self.styled_texts(at, area.y, end, title);
        self.text(at, area.y, 1, " ", TextStyle::Plain);
    }

    /// Draws a line in reverse video, so that it is visible without colour.
    pub(super) fn banner(&mut self, area: Rect, text: &str) {
        let style = self
            .theme
            .style(TextStyle::Bad)
            .add_modifier(Modifier::REVERSED);
        self.buffer.set_style(area, style);
        self.styled(
            area.x + 1,
            area.y,
            area.width.saturating_sub(2),
            text,
            style,
        );
    }

    /// Draws the first line of `area` in reverse video, as the selected line.
    pub(super) fn highlight(&mut self, area: Rect) {
        for x in area.left()..area.right() {
            if let Some(cell) = self.buffer.cell_mut((x, area.y)) {
                // Dim and coloured text is hard to read in reverse video on many terminals.
                cell.fg = Color::Reset;
                cell.modifier.remove(Modifier::DIM);
                cell.modifier.insert(Modifier::REVERSED);
            }
        }
    }

    /// Draws lines in the middle of `area`, each centred.
    pub(super) fn centred(&mut self, area: Rect, lines: &[Vec<StyledText>]) {
        let above = area.height.saturating_sub(lines.len() as u16) / 2;
        for (i, line) in lines.iter().enumerate() {
            let y = area.y + above + i as u16;
            if y >= area.bottom() {
                break;
            }
            let left = area.width.saturating_sub(styled_width(line)) / 2;
            self.styled_texts(area.x + left, y, area.right(), line);
        }
    }
}

/// Total width of the runs in columns.
pub(super) fn styled_width(styled_texts: &[StyledText]) -> u16 {
    styled_texts
        .iter()
        .map(|(text, _)| width(text))
        .sum::<usize>()
        .min(u16::MAX.into()) as u16
}
