//! A preview at the start of an input, for people who want to know how it is written.

use std::io::{self, Write};

use cli::text::{Charset, brief, for_message};
use engine::split::Limits;

use super::inspector::header;
use super::{InputDescription, InputError, InputPlan, InputSpec};

/// A cell is shown up to here.
const CELL_COLUMNS: usize = 40;

/// What the start of an input shows.
#[derive(Debug, Clone)]
pub struct Preview {
    /// How it is written.
    pub description: InputDescription,
    /// Its columns.
    pub columns: Vec<String>,
}

/// Looks at the start of every file that is `input_spec`.
///
/// # Errors
///
/// When one cannot be read, or they do not belong together.
pub fn preview(input_spec: &InputSpec) -> Result<Preview, InputError> {
    let limits = Limits::default();
    let mut plan = InputPlan::new(input_spec, None, limits)?;
    let columns = match plan.columns.take() {
        Some(columns) => columns,
        None => header(&mut plan.open(0)?, plan.description.dialect, limits)?,
    };
    Ok(Preview {
        description: plan.description,
        columns,
    })
}

/// Writes what a preview shows, for a person.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_preview(
    out: &mut impl Write,
    description: &InputDescription,
    columns: &[String],
) -> io::Result<()> {
    for (what, value) in description.facts() {
        writeln!(out, "{what:<12}  {}", for_message(&value))?;
    }
    writeln!(out, "columns       {}", columns.len())?;
    for row in &description.rows {
        let cell = |cell| brief(cell, CELL_COLUMNS, Charset::Utf8);
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "  {}", cells.join(" | "))?;
    }
    Ok(())
}
