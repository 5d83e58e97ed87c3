//! Finds the job that a request names, by its id or the beginning of its id.

use cli::format::duration;
use cli::text::{Charset, brief};

use proto::JobId;
use tonic::Status;

use crate::job::Job;
use crate::state::live_state::sort_newest_first;
use crate::state::state_actor::StateActor;

/// The most jobs that are listed.
const MAX_LISTED: usize = 8;
const NAME_COLUMNS: usize = 40;

impl StateActor {
    /// The job whose id is `text`, or whose id is the only one that begins with it.
    pub(crate) fn find(&self, text: &str) -> Result<&Job, Status> {
        if let Some(reason) = &self.open_error {
            return Err(Status::unavailable(reason.clone()));
        }
        if let Ok(id) = text.parse::<JobId>() {
            return self.store.job(id).ok_or_else(|| no_job(text));
        }
        if text.is_empty() {
            return Err(no_job(text));
        }
        let jobs = self.store.jobs();
        let fits: Vec<&Job> = jobs
            .filter(|job| job.id.to_string().starts_with(text))
            .collect();
        match fits[..] {
            [] => Err(no_job(text)),
            [job] => Ok(job),
            _ => Err(Status::invalid_argument(describe_candidates(
                text,
                fits,
                proto::unix_ms(),
            ))),
        }
    }
}

pub(super) fn no_job(text: &str) -> Status {
    let shown: String = text.chars().take(64).collect();
    Status::not_found(format!("there is no job {shown:?}"))
}

/// Lists the jobs whose ids begin with `text`, newest first.
fn describe_candidates(text: &str, mut jobs: Vec<&Job>, now_ms: u64) -> String {
    sort_newest_first(&mut jobs);
    let mut listing = format!(
        "{} jobs begin with {text:?}; give more of the id:",
        jobs.len()
    );
    for job in jobs.iter().take(MAX_LISTED) {
        let name = job.open.as_ref().map_or("", |open| &open.name);
        let state = job.state(now_ms, now_ms).as_str_name();
        let state = state.trim_start_matches("JOB_STATE_").to_lowercase();
        listing += &format!(
            "\n  {}  {}, {}, {} ago",
            job.id,
            brief(name, NAME_COLUMNS, Charset::Utf8),
            state.replace('_', " "),
            duration(now_ms.saturating_sub(job.opened_unix_ms()))
        );
    }
    match jobs.len().saturating_sub(MAX_LISTED) {
        0 => listing,
        more => format!("{listing}\n  and {more} more"),
    }
}
