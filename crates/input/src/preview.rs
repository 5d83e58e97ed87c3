//! A preview of an input: its format and its columns, from its start.

use std::io::{self, Write};

use cli::text::{Charset, brief, for_message};
use engine::split::Limits;

use crate::description::InputDescription;
use crate::error::InputError;
use crate::input_spec::InputSpec;
use crate::inspector::header;
use crate::plan::InputPlan;

/// The width at which cells are truncated.
const CELL_COLUMNS: usize = 40;

/// The format and the columns of an input.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The format.
    pub description: InputDescription,
    /// The columns.
    pub columns: Vec<String>,
}

/// Reads the start of every file in `input_spec`.
///
/// # Errors
///
/// If a file cannot be read, or the columns do not match.
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

/// Writes a preview for the user.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_preview(
    out: &mut impl Write,
    description: &InputDescription,
    columns: &[String],
) -> io::Result<()> {
    for (name, value) in description.properties() {
        writeln!(out, "{name:<12}  {}", for_message(&value))?;
    }
    writeln!(out, "columns       {}", columns.len())?;
    for row in &description.rows {
        let cell = |cell| brief(cell, CELL_COLUMNS, Charset::Utf8);
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "  {}", cells.join(" | "))?;
    }
    Ok(())
}
