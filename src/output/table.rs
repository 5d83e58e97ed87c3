//! A table for a terminal: columns as wide as their cells, cut to fit, hostile text made harmless.

use std::io::{self, Write};

use tui::text::{self, Charset};

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under a header.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Between columns.
const GAP: usize = 2;
/// No column is cut below this many characters.
const NARROWEST: usize = 6;

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of one cell a column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| text::visible(&cell).into_owned())
                .collect(),
        );
    }

    /// Writes it, at most `width` wide where that is possible.
    pub(crate) fn write(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let widths = self.widths(width);
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            writeln!(out, "{}", self.line(row, &widths))?;
        }
        Ok(())
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(&self.columns) {
            let cell = match align {
                Align::Left => text::pad(cell, *width, Charset::Utf8),
                Align::Right => text::pad_left(cell, *width, Charset::Utf8),
            };
            line += &cell;
            line += &" ".repeat(GAP);
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// As wide as the widest cell; where that is too wide in all, the widest columns give way.
    fn widths(&self, width: usize) -> Vec<usize> {
        let widest = |at: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells
                .map(|cell| text::width(cell))
                .chain([name.len()])
                .max()
                .unwrap_or(0)
        };
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, _))| widest(at, name))
            .collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>().saturating_add(gaps) > width {
            match widths.iter_mut().max() {
                Some(most) if *most > NARROWEST => *most -= 1,
                _ => break,
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table, width: usize) -> String {
        let mut out = Vec::new();
        table.write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_align_and_the_widest_gives_way() {
        let mut table = Table::new(&[("name", Align::Left), ("rows", Align::Right)]);
        table.row(["a rather long name".into(), "12".into()]);
        table.row(["b".into(), "3,456".into()]);
        assert_eq!(
            written(&table, usize::MAX),
            "name                 rows\na rather long name     12\nb                   3,456\n"
        );
        assert_eq!(
            written(&table, 17),
            "name         rows\na rather …     12\nb           3,456\n"
        );
    }

    #[test]
    fn a_cell_cannot_reach_the_terminal() {
        let mut table = Table::new(&[("name", Align::Left)]);
        table.row(["\u{1b}[2Jgone".into()]);
        assert!(!written(&table, 80).contains('\u{1b}'));
    }
}
