//! Detects whether the first record is a header, by comparing its cells with those below.

use super::cell_class::CellClass;
use super::{DialectOverrides, Guess, SAMPLE_ROWS};
use crate::Dialect;
use crate::records::Records;

/// The share of a column's cells that must be of one class.
const ALIKE: f64 = 0.9;

/// A header is assumed unless there is evidence against it.
pub(super) fn decide(text: &[u8], dialect: &Dialect, overrides: &DialectOverrides) -> Guess<bool> {
    if let Some(found) = overrides.has_header {
        return Guess {
            found,
            confidence: 1.0,
        };
    }
    let (first, columns) = classes(text, dialect);
    let (mut names, mut values, mut years) = (0_u32, 0_u32, 0_u32);
    for (cell, column) in first.iter().zip(&columns) {
        let Some(usual) = usual(column) else {
            continue;
        };
        if cell.is_year && !column.iter().all(|cell| cell.is_year) {
            years += 1; // a year is often the name of a column of counts
        } else if cell.class == usual {
            values += 1;
        } else if matches!(cell.class, CellClass::Words | CellClass::Other) {
            names += 1;
        }
    }
    // One year beside another value is an ordinary number.
    if years == 1 && values > 0 {
        values += years;
    } else {
        names += years;
    }
    if names + values == 0 {
        // All cells are text. If the first record consists of words, they may well be names.
        let are_words =
            !first.is_empty() && first.iter().all(|cell| cell.class == CellClass::Words);
        return Guess {
            found: true,
            confidence: if are_words { 0.6 } else { 0.3 },
        };
    }
    let found = names >= values;
    let most = f64::from(names.max(values));
    // One column is weaker evidence than two.
    let confidence = most / f64::from(names + values) * (1.0 - 0.3 / most);
    Guess { found, confidence }
}

/// The class of a cell.
#[derive(Debug, Clone, Copy)]
struct Cell {
    class: CellClass,
    /// Whether it could be a year.
    is_year: bool,
}

impl Cell {
    fn new(cell: &[u8]) -> Self {
        let is_year = matches!(cell, [b'1', b'9', _, _] | [b'2', b'0', _, _]);
        let class = CellClass::new(cell);
        Self {
            class,
            is_year: is_year && class == CellClass::Number,
        }
    }
}

/// The cells of the first record, and the cells below it by column.
fn classes(text: &[u8], dialect: &Dialect) -> (Vec<Cell>, Vec<Vec<Cell>>) {
    let mut records = Records::new(dialect, text);
    let Some(first) = records.read() else {
        return (Vec::new(), Vec::new());
    };
    let first: Vec<Cell> = first.iter().map(Cell::new).collect();
    let mut columns = vec![Vec::new(); first.len()];
    for _ in 1..SAMPLE_ROWS {
        let Some(record) = records.read() else {
            break;
        };
        for (column, cell) in columns.iter_mut().zip(record.iter()) {
            column.push(Cell::new(cell));
        }
    }
    (first, columns)
}

/// The class of nearly all cells of a column that are not empty, if it is a value.
fn usual(column: &[Cell]) -> Option<CellClass> {
    let classes = column.iter().map(|cell| cell.class);
    let filled: Vec<CellClass> = classes.filter(|&class| class != CellClass::Empty).collect();
    let first = filled.iter().copied().find(|class| class.is_value())?;
    let alike = filled.iter().filter(|&&class| class == first).count();
    (alike as f64 >= ALIKE * filled.len() as f64).then_some(first)
}
