//! The flags for a job's result, and the reports about it on stderr. The crate `report` writes the result.

mod bad;
mod max_bad;

use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use cli::text::{for_message, visible};
use cli::{Exit, Failure, Filtered, Filters, OrUnwritable, STDOUT};
use proto::v1::{GetJobResponse, Job, JobState};
use report::result_text::incomplete_reason;
use report::{Format, Formulas};

use crate::spreadsheet::SpreadsheetArgs;

pub(crate) use bad::{gone, say_bad};
pub(crate) use max_bad::MaxBad;

/// Number of lines shown of a failed command's stderr.
const STDERR_LINES: usize = 12;

/// The format of results, and the number of bad records that makes them a failure
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    shape: Shape,

    /// Also write one self-contained HTML page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Exit with 1 if there are more bad records than N, or than N% of all records [default: any
    /// number is allowed]
    #[arg(long, value_name = "N|N%", help_heading = input::BAD_RECORDS)]
    max_bad: Option<MaxBad>,

    #[command(flatten)]
    safe: SpreadsheetArgs,
}

/// The format on stdout. The default is a table as wide as the terminal; without a terminal, as wide as
/// the table needs, or as the variable COLUMNS says.
#[derive(Debug, clap::Args)]
#[group(id = "shape", multiple = false)]
struct Shape {
    /// Write JSON instead of a table, with every digit
    #[arg(long)]
    json: bool,

    /// Write CSV instead of a table, one record per column, with every digit
    #[arg(long)]
    csv: bool,

    /// Write Markdown instead of a table
    #[arg(long)]
    markdown: bool,
}

impl OutputArgs {
    /// Writes the job's result to stdout, its page if requested, and a summary to stderr. Returns the exit
    /// code.
    pub(crate) fn write(&self, response: &GetJobResponse) -> Result<Exit, Failure> {
        let filters = if self.shape.csv {
            let guarded = self.safe.filters(Formulas::default());
            guarded.then_all(Filters::of_stdout())
        } else {
            Filters::default()
        };
        // Unbuffered stdout would make a system call per line, and JSON can have millions of lines.
        let out = BufWriter::new(std::io::stdout().lock());
        let mut out = Filtered::new(out, filters);
        let written = report::write(&mut out, response, self.shape.format(), width());
        let written = written.and_then(|()| out.finish()?.flush());
        written.or_unwritable(STDOUT)?;
        self.report(response)
    }

    /// Whether CSV must be safe for spreadsheets.
    pub(crate) fn safe(&self) -> SpreadsheetArgs {
        self.safe
    }

    /// Whether a format for stdout was chosen.
    pub(crate) fn is_shaped(&self) -> bool {
        self.shape.json || self.shape.csv || self.shape.markdown
    }

    /// Like [`write`](Self::write), without stdout, for a job whose rows go there.
    pub(crate) fn report(&self, response: &GetJobResponse) -> Result<Exit, Failure> {
        let job = response.job.clone().unwrap_or_default();
        if let Some(file) = &self.html {
            write_page(file, response)?;
        }
        cli::stderr_line!("rowmill: {}", report::summary(response));
        if let Some(line) = incomplete_reason(&job) {
            cli::stderr_line!("rowmill: {}", visible(&line));
        }
        for dead in &response.dead {
            let reason = for_message(&dead.reason);
            cli::stderr_line!(
                "rowmill: chunk {} (from line {}) is dead: {reason}",
                dead.seq,
                dead.first_line
            );
        }
        // One stderr is enough to see the cause; `rowmill dead show` shows the others.
        if let Some(dead) = response.dead.iter().find(|dead| !dead.stderr.is_empty()) {
            cli::stderr_line!(
                "rowmill: the end of the command's stderr for chunk {}:",
                dead.seq
            );
            let lines: Vec<&str> = dead.stderr.lines().collect();
            for line in &lines[lines.len().saturating_sub(STDERR_LINES)..] {
                cli::stderr_line!("    {}", for_message(line));
            }
        }
        let exit = self.exit(&job);
        if exit == Exit::BadRecords {
            cli::stderr_line!("rowmill: more bad records than --max-bad allows");
        }
        Ok(exit)
    }

    fn exit(&self, job: &Job) -> Exit {
        match job.state() {
            JobState::DoneWithFailures | JobState::Damaged | JobState::ChunksLost => {
                Exit::DeadChunks
            }
            JobState::Cancelled => Exit::Cancelled,
            _ if self
                .max_bad
                .is_some_and(|max| max.is_exceeded(job.rejects, job.rows)) =>
            {
                Exit::BadRecords
            }
            _ => Exit::Ok,
        }
    }
}

impl Shape {
    fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else if self.csv {
            Format::Csv
        } else if self.markdown {
            Format::Markdown
        } else {
            Format::Table
        }
    }
}

fn write_page(file: &std::path::Path, response: &GetJobResponse) -> Result<(), Failure> {
    std::fs::write(file, report::html_page(response)).or_unwritable(file.display())
}

/// Width of the terminal in columns. If stdout is not a terminal: the value of COLUMNS, else unbounded.
pub(crate) fn width() -> usize {
    let stdout = std::io::stdout();
    if stdout.is_terminal() {
        let size = rustix::termios::tcgetwinsize(&stdout);
        return size.map_or(80, |size| usize::from(size.ws_col).max(40));
    }
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns.map_or(usize::MAX, |columns: usize| columns.max(40))
}
