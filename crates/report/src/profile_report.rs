//! The report of `profile`, in all formats.

use std::io::{self, Write};

use cli::text::Charset;
use proto::v1::{GetJobResponse, Profile, Report, report};
use serde::Serialize;

use crate::column_json::{ColumnJson, EstimateJson};
use crate::render::Render;
use crate::{csv, html, markdown, profile, result_text};

/// The profile in a report. `None` if the report is of another operation.
pub fn profile_of(report: Option<&Report>) -> Option<&Profile> {
    match report?.kind.as_ref()? {
        report::Kind::Profile(profile) => Some(profile),
        _ => None,
    }
}

/// The profile as JSON.
#[derive(Debug, Serialize)]
pub struct ProfileFields {
    /// Number of records equal to an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_rows: Option<EstimateJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnJson>,
}

impl From<&Profile> for ProfileFields {
    fn from(profile: &Profile) -> Self {
        Self {
            duplicate_rows: profile.duplicate_rows.map(Into::into),
            columns: profile.columns.iter().map(Into::into).collect(),
        }
    }
}

impl Render for Profile {
    type Json = ProfileFields;

    fn table(&self, mut out: &mut dyn Write, width: usize) -> io::Result<()> {
        profile::write(&mut out, self, width, Charset::from_env())
    }

    fn csv(&self, mut out: &mut dyn Write) -> io::Result<()> {
        csv::write(&mut out, self)
    }

    fn markdown(&self, mut out: &mut dyn Write, summary: &str, _width: usize) -> io::Result<()> {
        markdown::write(&mut out, self, summary)
    }

    fn html_page(&self, response: &GetJobResponse) -> String {
        html::profile_page(response, self)
    }

    /// The number of duplicate rows.
    fn remark(&self) -> String {
        match &self.duplicate_rows {
            Some(duplicates) if duplicates.count > 0 => {
                let count = result_text::estimate(duplicates, Charset::from_env());
                let noun = if duplicates.count == 1 { "row" } else { "rows" };
                format!(", {count} duplicate {noun}")
            }
            _ => String::new(),
        }
    }

    fn entries(&self) -> usize {
        self.columns.len()
    }

    fn texts(&mut self) -> Vec<&mut String> {
        let mut texts = Vec::new();
        for column in &mut self.columns {
            texts.push(&mut column.name);
            let known = [
                &mut column.min,
                &mut column.max,
                &mut column.sum,
                &mut column.shortest,
                &mut column.longest,
            ];
            texts.extend(known.into_iter().flatten());
            texts.extend(column.top.iter_mut().map(|top| &mut top.value));
        }
        texts
    }
}
