//! The outcome of writing rows: whether they are complete, which are missing, and the exit code.

use cli::{Exit, Failure};
use proto::v1::{GetJobResponse, Job, JobState, OutputEnd};

use cli::text::visible;
use report::result_text::incomplete_reason;

use super::RowsWriter;

/// Maximum number of dead chunks listed in the message.
const MAX_NAMED: usize = 20;

/// Whether the job can be queried later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaterAccess {
    FromMaster,
    /// The job exists only in this process.
    Never,
}

/// The outcome of writing a job's rows.
#[derive(Debug)]
pub(crate) struct RowsOutcome {
    end: OutputEnd,
    job: Job,
}

impl RowsOutcome {
    /// From the end message of the stream and the job's state after it.
    pub(crate) fn new(end: OutputEnd, job: &GetJobResponse) -> Self {
        let job = job.job.clone().unwrap_or_default();
        Self { end, job }
    }

    /// Whether the job was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.job.state() == JobState::Cancelled
    }

    /// Whether the job will not become complete by itself.
    pub(crate) fn is_stuck(&self) -> bool {
        incomplete_reason(&self.job).is_some()
    }

    /// The exit code for the rows alone.
    fn exit(&self) -> Exit {
        if self.is_cancelled() {
            Exit::Cancelled
        } else if self.end.dead_total > 0 || self.is_stuck() {
            Exit::DeadChunks
        } else if !self.end.is_whole {
            Exit::NoWorkers
        } else {
            Exit::Ok
        }
    }

    /// Messages about missing rows; empty if the rows are complete.
    fn lines(&self, later_access: LaterAccess) -> Vec<String> {
        let (id, mut lines) = (&self.job.job_id, Vec::new());
        let OutputEnd {
            dead,
            dead_total,
            is_whole,
            dead_without_body,
        } = &self.end;
        if *dead_total > 0 {
            let named: Vec<String> = dead.iter().take(MAX_NAMED).map(u64::to_string).collect();
            let more = dead_total.saturating_sub(named.len() as u64);
            let more = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            let chunks = match dead_total {
                1 => "1 chunk is dead and its rows are".to_owned(),
                many => format!("{many} chunks are dead and their rows are"),
            };
            let hint = match later_access {
                LaterAccess::Never => String::new(),
                LaterAccess::FromMaster if *dead_without_body == 0 => format!(
                    "; when they are replayed (rowmill dead replay {id}), rowmill rows {id} has them"
                ),
                LaterAccess::FromMaster => format!(
                    "; of the job's dead chunks {dead_without_body} cannot be replayed: rowmill dead list {id} says why"
                ),
            };
            lines.push(format!(
                "{chunks} missing: {}{more}{hint}",
                named.join(", ")
            ));
        }
        if self.job.state() == JobState::Damaged {
            lines.push(format!(
                "job {id} is damaged, so that rows may be missing: {}",
                visible(&self.job.damage)
            ));
        }
        if self.is_cancelled() {
            lines.push(format!(
                "job {id} was cancelled: these are the rows up to then"
            ));
        } else if let Some(line) = incomplete_reason(&self.job) {
            lines.push(format!("{}; these are the rows so far", visible(&line)));
        } else if !is_whole {
            lines.push(format!(
                "job {id} is not finished: these are the rows so far; --follow waits for the others"
            ));
        }
        lines
    }
}

/// Commits the file if the rows are complete, else reports the missing rows.
pub(crate) async fn finish(
    rows_writer: RowsWriter,
    rows_outcome: &RowsOutcome,
    later_access: LaterAccess,
) -> Result<Exit, Failure> {
    for line in rows_outcome.lines(later_access) {
        cli::stderr_line!("rowmill: {line}");
    }
    let exit = rows_outcome.exit();
    if exit == Exit::Ok {
        rows_writer.commit().await?;
    } else {
        rows_writer.report_incomplete();
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_outcome(state: JobState, dead: &[u64], is_whole: bool) -> RowsOutcome {
        let job = Job {
            job_id: "j".into(),
            state: state.into(),
            ..Job::default()
        };
        let end = OutputEnd {
            dead: dead.to_vec(),
            dead_total: dead.len() as u64,
            is_whole,
            dead_without_body: 0,
        };
        RowsOutcome { end, job }
    }

    #[test]
    fn only_complete_rows_exit_with_ok() {
        let whole = rows_outcome(JobState::Done, &[], true);
        assert_eq!(
            (whole.exit(), whole.lines(LaterAccess::FromMaster).len()),
            (Exit::Ok, 0)
        );
        // The chunk was replayed after its rows were skipped: the job is complete, these rows are not.
        let dead = rows_outcome(JobState::Done, &[7], true);
        assert_eq!(dead.exit(), Exit::DeadChunks);
        assert!(
            dead.lines(LaterAccess::FromMaster)[0]
                .starts_with("1 chunk is dead and its rows are missing: 7; when"),
            "{dead:?}"
        );
        let many: Vec<u64> = (0..30).collect();
        let line = rows_outcome(JobState::DoneWithFailures, &many, true)
            .lines(LaterAccess::FromMaster)[0]
            .clone();
        assert!(line.contains("18, 19 and 10 more;"), "{line}");
        let mut bodiless = rows_outcome(JobState::DoneWithFailures, &[7, 8], true);
        bodiless.end.dead_without_body = 1;
        let line = bodiless.lines(LaterAccess::FromMaster)[0].clone();
        assert!(
            line.contains("1 cannot be replayed: rowmill dead list j"),
            "{line}"
        );
        let in_process = dead.lines(LaterAccess::Never)[0].clone();
        assert!(in_process.ends_with("missing: 7"), "{in_process}");
        let cancelled = rows_outcome(JobState::Cancelled, &[7], true);
        assert_eq!(
            (
                cancelled.exit(),
                cancelled.lines(LaterAccess::FromMaster).len()
            ),
            (Exit::Cancelled, 2)
        );
        let lost = rows_outcome(JobState::ChunksLost, &[], false);
        assert_eq!(lost.exit(), Exit::DeadChunks);
        assert!(lost.lines(LaterAccess::FromMaster)[0].contains("publish --resume j; these are"));
        let so_far = rows_outcome(JobState::Running, &[], false);
        assert_eq!(so_far.exit(), Exit::NoWorkers);
        assert!(so_far.lines(LaterAccess::FromMaster)[0].contains("not finished"));
    }
}
