//! A look at the start of an input, for people who want to know how it is written.

use std::io::{self, Write};

use cli::text::{Charset, brief, for_message};
use engine::split::Limits;

use super::survey::header;
use super::{Described, InputError, Plan, Wanted};

/// A cell is shown up to here.
const CELL_COLUMNS: usize = 40;

/// What the start of an input shows.
#[derive(Debug, Clone)]
pub struct Look {
    /// How it is written.
    pub described: Described,
    /// Its columns.
    pub columns: Vec<String>,
}

/// Looks at the start of every file that is `wanted`.
///
/// # Errors
///
/// When one cannot be read, or they do not belong together.
pub fn look(wanted: &Wanted) -> Result<Look, InputError> {
    let limits = Limits::default();
    let mut plan = Plan::new(wanted, None, limits)?;
    let columns = match plan.columns.take() {
        Some(columns) => columns,
        None => header(&mut plan.open(0)?, plan.described.dialect, limits)?,
    };
    Ok(Look {
        described: plan.described,
        columns,
    })
}

/// Writes what a look shows, for a person.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_look(
    out: &mut impl Write,
    described: &Described,
    columns: &[String],
) -> io::Result<()> {
    for (what, value) in described.facts() {
        writeln!(out, "{what:<12}  {}", for_message(&value))?;
    }
    writeln!(out, "columns       {}", columns.len())?;
    for row in &described.rows {
        let cell = |cell| brief(cell, CELL_COLUMNS, Charset::Utf8);
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "  {}", cells.join(" | "))?;
    }
    Ok(())
}
