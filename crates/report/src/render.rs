//! Writes a job's result in the format that was asked for.

use std::io::{self, Write};

use cli::text::Charset;
use proto::v1::{GetJobResponse, Profile};

use crate::summary::summary;
use crate::{csv, exec, job_json, markdown, profile, rules};

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

/// Writes the job's result. A table is at most `width` columns wide.
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
    if format == Format::Json {
        return job_json::write(out, response);
    }
    if let Some(report) = &response.validate {
        return match format {
            Format::Csv => rules::csv(out, report),
            Format::Markdown => rules::markdown(out, report, &summary(response)),
            Format::Table | Format::Json => rules::table(out, report, width),
        };
    }
    if let Some(report) = &response.exec {
        return match format {
            Format::Csv => exec::write_csv(out, report),
            _ => exec::write(out, report, width),
        };
    }
    let nothing = Profile::default();
    let profile = response.profile.as_ref().unwrap_or(&nothing);
    match format {
        Format::Csv => csv::write(out, profile),
        Format::Markdown => markdown::write(out, profile, &summary(response)),
        Format::Table | Format::Json => profile::write(out, profile, width, Charset::from_env()),
    }
}
