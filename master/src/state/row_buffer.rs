//! The latest processed rows of one job, for the dashboard. Kept in memory only.

use std::collections::VecDeque;

use proto::JobId;
use proto::v1::{LatestRows, SampleRow};

/// How many rows are kept, and how many columns of each.
const ROWS: usize = 50;
const COLUMNS: usize = 64;

/// The latest rows of one job, newest last.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowBuffer {
    rows: VecDeque<SampleRow>,
}

impl RowBuffer {
    /// Adds one chunk's sample.
    pub(crate) fn add(&mut self, sample: &[SampleRow]) {
        self.rows.extend(sample.iter().cloned());
        let surplus = self.rows.len().saturating_sub(ROWS);
        self.rows.drain(..surplus);
    }

    /// The rows as a message for the dashboard.
    pub(crate) fn message(&self, job: JobId, columns: &[String], rows: u64) -> LatestRows {
        LatestRows {
            job_id: job.to_string(),
            columns: columns
                .iter()
                .take(COLUMNS)
                .map(|name| truncate_name(name))
                .collect(),
            columns_total: columns.len() as u64,
            rows: self.rows.iter().cloned().collect(),
            rows_total: rows,
        }
    }
}

/// At most 64 bytes of a name, cut on a character boundary.
fn truncate_name(name: &str) -> String {
    let end = (0..=64.min(name.len()))
        .rev()
        .find(|&end| name.is_char_boundary(end))
        .unwrap_or(0);
    name[..end].to_owned()
}
