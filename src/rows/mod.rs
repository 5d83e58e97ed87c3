//! The rows produced by a job: `rowmill rows`, and the flags with which `publish` and `run` write them
//! while the job runs.

mod copy;
mod json;
mod outcome;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::MasterArgs;
use cli::{Exit, Failure};
use publisher::Backpressure;
use tokio_util::sync::CancellationToken;

use crate::follow::WaitPolicy;
use crate::query;
use crate::spreadsheet::SpreadsheetArgs;
pub(crate) use copy::{CopyOptions, copy};
pub(crate) use outcome::{LaterAccess, RowsOutcome, finish};
pub(crate) use writer::RowsWriter;

/// Write a job's rows, in input order, to stdout or a file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Write to FILE, which appears when the rows are complete; until then they are in FILE.part
    /// [default: -, stdout]
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "-",
        hide_default_value = true
    )]
    output: PathBuf,

    /// Write rows as they are committed, not in input order
    #[arg(long)]
    unordered: bool,

    /// Wait for the rows of a job that is not finished [default: write the rows so far]
    #[arg(long)]
    follow: bool,

    /// Write JSON, one line per row, with the header's names as keys; every value is a string
    #[arg(long, conflicts_with = "safe_spreadsheet")]
    json: bool,

    #[command(flatten)]
    safe: SpreadsheetArgs,

    #[command(flatten)]
    master: MasterArgs,
}

/// The destination of the rows of a published job
#[derive(Debug, clap::Args)]
pub(crate) struct RowsArgs {
    /// Write the rows that the job produces to FILE, in input order, while it runs; FILE appears when
    /// they are complete, until then they are in FILE.part; - is stdout
    #[arg(long, short, value_name = "FILE", help_heading = HEADING)]
    output: Option<PathBuf>,

    /// With -o: write rows as they are committed, not in input order
    #[arg(long, help_heading = HEADING, hide_short_help = true)]
    unordered: bool,

    /// With -o: how many chunks may be in flight beyond the last one whose rows were written
    #[arg(
        long,
        value_name = "CHUNKS",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = HEADING,
        hide_short_help = true
    )]
    ahead: u32,
}

const HEADING: &str = "Output rows";

impl RowsArgs {
    /// The destination of the rows; `otherwise` if no flag names one.
    pub(crate) fn target<'t>(&'t self, otherwise: Option<&'t Path>) -> Option<&'t Path> {
        self.output.as_deref().or(otherwise)
    }

    /// Whether rows are written in the order of commits.
    pub(crate) fn is_unordered(&self) -> bool {
        self.unordered
    }

    /// How far the publisher may be ahead of the rows written.
    pub(crate) fn ahead(&self) -> Arc<Backpressure> {
        Arc::new(Backpressure::new(self.ahead as usize))
    }
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        // A job that has no rows leaves no file behind.
        let job = query::get_job(&self.master.connect().await?, &self.job).await?;
        let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
        let mut rows_writer = RowsWriter::open(&self.output)?.with_safe_spreadsheets(self.safe);
        if self.json {
            rows_writer = rows_writer.with_json();
        }
        let closed = rows_writer.closed();
        let wanted = CopyOptions {
            job_id,
            unordered: self.unordered,
            follow: self.follow,
            wait_policy: WaitPolicy {
                deadline: None,
                is_expected: false,
            },
        };
        let copying = copy(|| self.master.connect(), wanted, &mut rows_writer, |_| {});
        let end = tokio::select! {
            end = copying => end,
            failure = closed => Err(failure),
            () = shutdown.cancelled() => Err(Failure::message(Exit::Cancelled, "interrupted")),
        };
        let end = match end {
            Ok(end) => end,
            Err(failure) => {
                rows_writer.report_incomplete();
                return Err(failure);
            }
        };
        let job = query::get_job(&self.master.connect().await?, &self.job).await?;
        finish(
            rows_writer,
            &RowsOutcome::new(end, &job),
            LaterAccess::FromMaster,
        )
        .await
    }
}
