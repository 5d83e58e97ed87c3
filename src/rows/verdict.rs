//! What rows came to: whether they are whole, what is not in them, and the exit code that this
//! deserves.

use cli::{Exit, Failure};
use proto::v1::{GetJobResponse, Job, JobState, OutputEnd};

use tui::result_text::incomplete_reason;
use tui::text::visible;

use super::Sink;

/// Chunks that are named, of those that are dead.
const NAMED: usize = 20;

/// Whether the job can be asked for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Later {
    Yes,
    /// It lives in this process.
    No,
}

/// The rows of a job as they were written.
#[derive(Debug)]
pub(crate) struct Came {
    end: OutputEnd,
    job: Job,
}

impl Came {
    /// Of what the master said at the stream's end, and of the job then.
    pub(crate) fn new(end: OutputEnd, job: &GetJobResponse) -> Self {
        let job = job.job.clone().unwrap_or_default();
        Self { end, job }
    }

    /// Whether the job was ended before its end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.job.state() == JobState::Cancelled
    }

    /// Whether the job will not become complete by itself.
    pub(crate) fn is_stuck(&self) -> bool {
        incomplete_reason(&self.job).is_some()
    }

    /// What the rows deserve; what else the job deserves is for others.
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

    /// What a person has to know. Empty: all is well.
    fn lines(&self, later: Later) -> Vec<String> {
        let (id, mut lines) = (&self.job.job_id, Vec::new());
        let OutputEnd {
            dead,
            dead_total,
            is_whole,
            dead_without_body,
        } = &self.end;
        if *dead_total > 0 {
            let named: Vec<String> = dead.iter().take(NAMED).map(u64::to_string).collect();
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
            let hint = match later {
                Later::No => String::new(),
                Later::Yes if *dead_without_body == 0 => format!(
                    "; when they are replayed (rowmill dead replay {id}), rowmill rows {id} has them"
                ),
                Later::Yes => format!(
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

/// Gives the rows their name where they are whole, and says what is missing where they are not.
pub(crate) async fn finish(sink: Sink, came: &Came, later: Later) -> Result<Exit, Failure> {
    for line in came.lines(later) {
        cli::stderr_line!("rowmill: {line}");
    }
    let exit = came.exit();
    if exit == Exit::Ok {
        sink.keep().await?;
    } else {
        sink.leave();
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(state: JobState, dead: &[u64], is_whole: bool) -> Came {
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
        Came { end, job }
    }

    #[test]
    fn only_what_is_whole_is_well() {
        let whole = came(JobState::Done, &[], true);
        assert_eq!((whole.exit(), whole.lines(Later::Yes).len()), (Exit::Ok, 0));
        // The chunk was replayed after it was passed over: the job is well, and these rows are not.
        let dead = came(JobState::Done, &[7], true);
        assert_eq!(dead.exit(), Exit::DeadChunks);
        assert!(
            dead.lines(Later::Yes)[0]
                .starts_with("1 chunk is dead and its rows are missing: 7; when"),
            "{dead:?}"
        );
        let many: Vec<u64> = (0..30).collect();
        let said = came(JobState::DoneWithFailures, &many, true).lines(Later::Yes)[0].clone();
        assert!(said.contains("18, 19 and 10 more;"), "{said}");
        let mut bodiless = came(JobState::DoneWithFailures, &[7, 8], true);
        bodiless.end.dead_without_body = 1;
        let said = bodiless.lines(Later::Yes)[0].clone();
        assert!(
            said.contains("1 cannot be replayed: rowmill dead list j"),
            "{said}"
        );
        let here = dead.lines(Later::No)[0].clone();
        assert!(here.ends_with("missing: 7"), "{here}");
        let cancelled = came(JobState::Cancelled, &[7], true);
        assert_eq!(
            (cancelled.exit(), cancelled.lines(Later::Yes).len()),
            (Exit::Cancelled, 2)
        );
        let lost = came(JobState::ChunksLost, &[], false);
        assert_eq!(lost.exit(), Exit::DeadChunks);
        assert!(lost.lines(Later::Yes)[0].contains("publish --resume j; these are"));
        let so_far = came(JobState::Running, &[], false);
        assert_eq!(so_far.exit(), Exit::NoWorkers);
        assert!(so_far.lines(Later::Yes)[0].contains("not finished"));
    }
}
