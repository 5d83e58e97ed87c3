//! A table for a terminal: columns as wide as their cells; if they do not fit, the least important are left
//! out and the widest cut. Control characters in cells are made visible.

use std::io::{self, Write};

use cli::text::{self, Charset};

/// Alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For text.
    Left,
    /// For numbers.
    Right,
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    align: Align,
    /// Minimum width to which it may be cut.
    least: usize,
    /// Columns with the highest rank are left out first if not all fit. A column of rank 0 always stays.
    rank: u8,
}

impl Column {
    /// Text, which may be cut.
    pub const fn text(title: &'static str, least: usize, rank: u8) -> Self {
        Self {
            title,
            align: Align::Left,
            least,
            rank,
        }
    }

    /// Numbers, which are never cut since that would change their meaning.
    pub const fn number(title: &'static str, rank: u8) -> Self {
        Self {
            title,
            align: Align::Right,
            least: usize::MAX,
            rank,
        }
    }
}

/// Rows of cells under a header.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    charset: Charset,
}

/// Space between columns.
const GAP: usize = 2;
/// Minimum width to which a column made by [`Table::new`] may be cut.
const NARROWEST: usize = 6;
/// Columns of this rank and above are left out before text is cut below [`COMFORTABLE`].
const ADDITIONAL: u8 = 7;
const COMFORTABLE: usize = 14;
/// Maximum width of a cell, also without a terminal, since all rows become as wide. JSON has all of it.
const WIDEST: usize = 256;
/// The column that names a row keeps this width while other columns can be cut.
const NAME: usize = 20;

impl Table {
    /// A table whose columns all stay, whatever the width.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        let column = |&(title, align)| Column {
            title,
            align,
            least: NARROWEST,
            rank: 0,
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        Self::ranked(&columns, Charset::from_env())
    }

    /// A table whose columns are left out by rank if they do not fit. A column without any cell is left
    /// out too, unless its rank is 0.
    pub fn ranked(columns: &[Column], charset: Charset) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
            charset,
        }
    }

    /// Whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row with one cell per column; a cell wider than `WIDEST` is cut.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let brief = |cell: String| text::brief(&cell, WIDEST, self.charset).into_owned();
        self.rows.push(cells.into_iter().map(brief).collect());
    }

    /// The width of the table with nothing left out or cut.
    pub fn natural_width(&self) -> usize {
        let kept = self.filled();
        let widths: usize = kept.iter().map(|&at| self.widest(at)).sum();
        widths + gaps(kept.len())
    }

    /// Writes the table, at most `width` wide if possible.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn write(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let kept = self.kept(width);
        let widths = self.widths(&kept, width);
        writeln!(
            out,
            "{}",
            self.line(&kept, &widths, |at| self.columns[at].title)
        )?;
        for row in &self.rows {
            let cell = |at: usize| row.get(at).map_or("", String::as_str);
            writeln!(out, "{}", self.line(&kept, &widths, cell))?;
        }
        Ok(())
    }

    fn line<'c>(
        &self,
        kept: &[usize],
        widths: &[usize],
        cell: impl Fn(usize) -> &'c str,
    ) -> String {
        let mut line = String::new();
        for (&at, &width) in kept.iter().zip(widths) {
            line += &match self.columns[at].align {
                Align::Left => text::pad(cell(at), width, self.charset),
                Align::Right => text::pad_left(cell(at), width, self.charset),
            };
            line += &" ".repeat(GAP);
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The columns that have a cell or are of rank 0.
    fn filled(&self) -> Vec<usize> {
        let says = |&at: &usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(at));
            self.columns[at].rank == 0 || cells.any(|cell| !cell.is_empty())
        };
        (0..self.columns.len()).filter(says).collect()
    }

    /// The columns that fit in `width`: first the additional ones are left out, before text is cut much;
    /// then others, after text is cut to its minimum.
    fn kept(&self, width: usize) -> Vec<usize> {
        let comfortable = |at: usize| self.least(at).max(COMFORTABLE);
        let kept = self.fitting(self.filled(), width, ADDITIONAL, comfortable);
        self.fitting(kept, width, 1, |at| self.least(at))
    }

    /// Leaves out columns by rank, down to `lowest`, until the rest fits with no column wider than `most`.
    fn fitting(
        &self,
        mut kept: Vec<usize>,
        width: usize,
        lowest: u8,
        most: impl Fn(usize) -> usize,
    ) -> Vec<usize> {
        let needs: Vec<usize> = (0..self.columns.len())
            .map(|at| self.widest(at).min(most(at)))
            .collect();
        loop {
            let needed: usize = kept.iter().map(|&at| needs[at]).sum();
            if needed.saturating_add(gaps(kept.len())) <= width {
                return kept;
            }
            let worst = kept
                .iter()
                .copied()
                .max_by_key(|&at| self.columns[at].rank)
                .filter(|&at| self.columns[at].rank >= lowest);
            match worst {
                Some(worst) => kept.retain(|&at| at != worst),
                None => return kept,
            }
        }
    }

    fn least(&self, at: usize) -> usize {
        self.columns[at].least
    }

    /// The widths: each as wide as its widest cell. If the sum is too wide, the widest columns are cut;
    /// those of rank 0, which name the row, only if the others cannot be cut further.
    fn widths(&self, kept: &[usize], width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = kept.iter().map(|&at| self.widest(at)).collect();
        let names = |at: usize| match self.columns[at].rank {
            0 => self.least(at).max(NAME),
            _ => self.least(at),
        };
        cut_to(&mut widths, kept, width, names);
        cut_to(&mut widths, kept, width, |at| self.least(at));
        widths
    }

    fn widest(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at));
        let widest = cells.map(|cell| text::width(cell)).max().unwrap_or(0);
        widest.max(self.columns[at].title.len())
    }
}

/// Cuts the widest of the columns `kept` repeatedly, none below its `least`, until all fit.
fn cut_to(widths: &mut [usize], kept: &[usize], width: usize, least: impl Fn(usize) -> usize) {
    while widths
        .iter()
        .sum::<usize>()
        .saturating_add(gaps(kept.len()))
        > width
    {
        let cut = kept.iter().zip(&mut *widths);
        let widest = cut
            .filter(|(at, width)| **width > least(**at))
            .max_by_key(|(_, width)| **width);
        match widest {
            Some((_, width)) => *width -= 1,
            None => return,
        }
    }
}

fn gaps(columns: usize) -> usize {
    GAP * columns.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table, width: usize) -> String {
        let mut out = Vec::new();
        table.write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    const RANKED: [Column; 3] = [
        Column::text("name", 6, 0),
        Column::number("rows", 1),
        Column::text("note", 4, 2),
    ];

    #[test]
    fn columns_align_and_the_widest_gives_way() {
        let columns = [Column::text("name", 6, 0), Column::number("rows", 0)];
        let mut table = Table::ranked(&columns, Charset::Utf8);
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
    fn the_highest_rank_goes_first_and_numbers_are_never_cut() {
        let mut table = Table::ranked(&RANKED, Charset::Ascii);
        table.row(["first".into(), "1234567".into(), "something".into()]);
        assert_eq!(table.natural_width(), 25);
        assert_eq!(
            written(&table, 20),
            "name      rows  note\nfirst  1234567  som~\n"
        );
        assert_eq!(written(&table, 19), "name      rows\nfirst  1234567\n");
        assert_eq!(written(&table, 13), "name\nfirst\n");
    }

    #[test]
    fn a_column_without_cells_is_left_out() {
        let mut table = Table::ranked(&RANKED, Charset::Utf8);
        table.row(["first".into(), String::new(), "x".into()]);
        assert_eq!(written(&table, 80), "name   note\nfirst  x\n");
    }

    #[test]
    fn a_cell_cannot_reach_the_terminal() {
        let mut table = Table::new(&[("name", Align::Left)]);
        table.row(["\u{1b}[2Jgone".into()]);
        assert!(!written(&table, 80).contains('\u{1b}'));
    }
}
