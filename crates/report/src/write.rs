//! Writes a job's report in the requested format.

use std::io::{self, Write};

use proto::v1::{GetJobResponse, Profile};

use crate::job_json;
use crate::render::renderer;
use crate::summary::summary;

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for a terminal.
    Table,
    /// JSON, with every digit.
    Json,
    /// CSV, with every digit.
    Csv,
    /// Markdown, or a table if the operation has none.
    Markdown,
}

/// Writes the job's report. A table is at most `width` columns wide.
///
/// # Errors
///
/// If writing fails.
pub fn write(
    out: &mut impl Write,
    response: &GetJobResponse,
    format: Format,
    width: usize,
) -> io::Result<()> {
    let nothing = Profile::default();
    let report = renderer(response.report.as_ref()).unwrap_or(&nothing);
    match format {
        Format::Json => job_json::write(out, response),
        Format::Csv => report.csv(out),
        Format::Markdown => report.markdown(out, &summary(response), width),
        Format::Table => report.table(out, width),
    }
}
