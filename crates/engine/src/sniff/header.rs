//! Whether the first record names the columns: what its cells look like, against the cells below.

use super::look::Look;
use super::{Found, Given, SAMPLE_ROWS};
use crate::Dialect;
use crate::records::Records;

/// The share of a column's cells that must look alike for it to say something.
const ALIKE: f64 = 0.9;

/// A header is taken where nothing speaks against it.
pub(super) fn decide(text: &[u8], dialect: &Dialect, given: &Given) -> Found<bool> {
    if let Some(found) = given.has_header {
        return Found {
            found,
            confidence: 1.0,
        };
    }
    let (first, columns) = looks(text, dialect);
    let (mut names, mut values, mut years) = (0_u32, 0_u32, 0_u32);
    for (cell, column) in first.iter().zip(&columns) {
        let Some(usual) = usual(column) else {
            continue;
        };
        if cell.is_year && !column.iter().all(|cell| cell.is_year) {
            years += 1; // what was counted in each year is often a column of its own
        } else if cell.look == usual {
            values += 1;
        } else if matches!(cell.look, Look::Words | Look::Odd) {
            names += 1;
        }
    }
    // One year beside another value is a number like any other.
    if years == 1 && values > 0 {
        values += years;
    } else {
        names += years;
    }
    if names + values == 0 {
        // All is text. Where all of the first record are words, they may well be names.
        let are_words = !first.is_empty() && first.iter().all(|cell| cell.look == Look::Words);
        return Found {
            found: true,
            confidence: if are_words { 0.6 } else { 0.3 },
        };
    }
    let found = names >= values;
    let most = f64::from(names.max(values));
    // One column is less to go by than two.
    let confidence = most / f64::from(names + values) * (1.0 - 0.3 / most);
    Found { found, confidence }
}

/// What a cell looks like.
#[derive(Debug, Clone, Copy)]
struct Cell {
    look: Look,
    /// Whether it could be a year.
    is_year: bool,
}

impl Cell {
    fn of(cell: &[u8]) -> Self {
        let is_year = matches!(cell, [b'1', b'9', _, _] | [b'2', b'0', _, _]);
        let look = Look::of(cell);
        Self {
            look,
            is_year: is_year && look == Look::Number,
        }
    }
}

/// The cells of the first record, and those of each column below it.
fn looks(text: &[u8], dialect: &Dialect) -> (Vec<Cell>, Vec<Vec<Cell>>) {
    let mut records = Records::new(dialect, text);
    let Some(first) = records.read() else {
        return (Vec::new(), Vec::new());
    };
    let first: Vec<Cell> = first.iter().map(Cell::of).collect();
    let mut columns = vec![Vec::new(); first.len()];
    for _ in 1..SAMPLE_ROWS {
        let Some(record) = records.read() else {
            break;
        };
        for (column, cell) in columns.iter_mut().zip(record.iter()) {
            column.push(Cell::of(cell));
        }
    }
    (first, columns)
}

/// What the cells of a column look like, where nearly all that are not empty are the same kind of value.
fn usual(column: &[Cell]) -> Option<Look> {
    let looks = column.iter().map(|cell| cell.look);
    let filled: Vec<Look> = looks.filter(|&look| look != Look::Empty).collect();
    let first = filled.iter().copied().find(|look| look.is_value())?;
    let alike = filled.iter().filter(|&&look| look == first).count();
    (alike as f64 >= ALIKE * filled.len() as f64).then_some(first)
}
