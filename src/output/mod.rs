//! Results on stdout: tables for people, JSON for programs.

mod bad;
mod json;
mod max_bad;
mod profile;
mod table;

use std::io::{IsTerminal, Write};

use cli::{Exit, Failure, OrExit};
use proto::v1::{GetJobResponse, Job, JobState};
use tui::format;

pub(crate) use bad::say_bad;
pub(crate) use json::{JobJson, SniffedJson, job_json, state_name};
pub(crate) use max_bad::MaxBad;
pub(crate) use table::{Align, Table};

/// How results are written, and when bad records make them a failure
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Exit with 1 when there are more bad records than N, or than N% of all records [default: any
    /// number is allowed]
    #[arg(long, value_name = "N|N%", help_heading = publisher::BAD)]
    max_bad: Option<MaxBad>,
}

impl OutputArgs {
    /// Writes the job's result on stdout and a summary on stderr; gives the exit code.
    pub(crate) fn write(&self, response: &GetJobResponse) -> Result<Exit, Failure> {
        let mut out = std::io::stdout().lock();
        let written = if self.json {
            write_json(&mut out, response)
        } else {
            profile::write(&mut out, response, width())
        };
        written.and_then(|()| out.flush()).or_exit(Exit::Usage)?;
        let job = response.job.clone().unwrap_or_default();
        eprintln!("rowmill: {}", summary(&job, &response.columns));
        for dead in &response.dead {
            let reason = tui::text::visible(&dead.reason);
            eprintln!(
                "rowmill: chunk {} (from line {}) is dead: {reason}",
                dead.seq, dead.first_line
            );
        }
        Ok(self.exit(&job))
    }

    fn exit(&self, job: &Job) -> Exit {
        match job.state() {
            JobState::DoneWithFailures => Exit::DeadChunks,
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

fn write_json(out: &mut impl Write, response: &GetJobResponse) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &job_json(response))?;
    writeln!(out)
}

/// Columns of the terminal; no bound where stdout is none.
pub(crate) fn width() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return usize::MAX;
    }
    rustix::termios::tcgetwinsize(&stdout).map_or(80, |size| usize::from(size.ws_col).max(40))
}

/// One line: what the job came to, and how fast.
fn summary(job: &Job, columns: &[String]) -> String {
    let rows = format::grouped(job.rows);
    let mut line = format!(
        "{}: {rows} rows, {} columns, {}",
        tui::text::visible(&job.name),
        columns.len(),
        format::bytes(job.source_bytes.unwrap_or(job.bytes)),
    );
    if job.rejects > 0 {
        line += &format!(", {} bad records left out", format::grouped(job.rejects));
    }
    match job.finished_unix_ms {
        Some(finished_ms) => {
            let ms = finished_ms.saturating_sub(job.opened_unix_ms);
            line += &match ms {
                0..1000 => format!(", in {ms} ms"),
                _ => format!(", in {}", format::short_duration(ms)),
            };
            let bytes_per_s = job.bytes as f64 / (ms.max(1) as f64 / 1e3);
            line += &format!(" ({} MB/s)", format::megabytes_per_s(bytes_per_s));
        }
        None => line += &format!(", {}", partial_label(job)),
    }
    if job.chunks_dead > 0 {
        line += &format!(", DEAD CHUNKS: {}", job.chunks_dead);
    }
    line
}

/// `partial, 66 %`.
pub(crate) fn partial_label(job: &Job) -> String {
    match job.progress {
        Some(share) => format!("partial, {}", format::percent(share)),
        None => "partial".to_owned(),
    }
}
