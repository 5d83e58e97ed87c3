//! The rows that come of a job: `rowmill rows`, and the flags by which `publish` and `run` write them
//! while the job runs.

mod copy;
mod json;
mod sink;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::MasterArgs;
use cli::{Exit, Failure};
use publisher::Ahead;
use tokio_util::sync::CancellationToken;

use crate::follow::Patience;
use crate::server;
use crate::spreadsheet::SpreadsheetArgs;
pub(crate) use copy::{Wanted, copy};
pub(crate) use sink::Sink;
pub(crate) use verdict::{Came, Later, finish};

/// Write a job's rows, in input order, to stdout or a file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Write to FILE, which is there when the rows are whole; until then they are in FILE.part
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

    /// Wait for the rows of a job that is not finished [default: write what is there]
    #[arg(long)]
    follow: bool,

    /// Write JSON, one row a line, by the header's names; every value is a string
    #[arg(long, conflicts_with = "safe_spreadsheet")]
    json: bool,

    #[command(flatten)]
    safe: SpreadsheetArgs,

    #[command(flatten)]
    master: MasterArgs,
}

/// Where the rows of a job that is published go
#[derive(Debug, clap::Args)]
pub(crate) struct RowsArgs {
    /// Write the rows that come of the job to FILE, in input order, while it runs; FILE is there when
    /// they are whole, until then they are in FILE.part; - is stdout
    #[arg(long, short, value_name = "FILE", help_heading = HEADING)]
    output: Option<PathBuf>,

    /// With -o: write rows as they are committed, not in input order
    #[arg(long, help_heading = HEADING, hide_short_help = true)]
    unordered: bool,

    /// With -o: how many chunks may be under way beyond the last one whose rows were written
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

const HEADING: &str = "Rows that come of it";

impl RowsArgs {
    /// Where the rows go, if anywhere; `otherwise` where no flag says so.
    pub(crate) fn target<'t>(&'t self, otherwise: Option<&'t Path>) -> Option<&'t Path> {
        self.output.as_deref().or(otherwise)
    }

    /// Whether they go there in the order of commits.
    pub(crate) fn is_unordered(&self) -> bool {
        self.unordered
    }

    /// How far a publish may be ahead of them.
    pub(crate) fn ahead(&self) -> Arc<Ahead> {
        Arc::new(Ahead::new(self.ahead as usize))
    }
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        // A job that has no rows leaves no file behind.
        let job = server::job(&self.master.connect().await?, &self.job).await?;
        let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
        let mut sink = Sink::open(&self.output)?.guarded(self.safe);
        if self.json {
            sink = sink.json();
        }
        let closed = sink.closed();
        let wanted = Wanted {
            job_id,
            unordered: self.unordered,
            follow: self.follow,
            patience: Patience {
                deadline: None,
                is_expected: false,
            },
        };
        let copying = copy(|| self.master.connect(), wanted, &mut sink, |_| {});
        let end = tokio::select! {
            end = copying => end,
            failure = closed => Err(failure),
            () = shutdown.cancelled() => Err(Failure::message(Exit::Cancelled, "interrupted")),
        };
        let end = match end {
            Ok(end) => end,
            Err(failure) => {
                sink.leave();
                return Err(failure);
            }
        };
        let job = server::job(&self.master.connect().await?, &self.job).await?;
        finish(sink, &Came::new(end, &job), Later::Yes).await
    }
}
