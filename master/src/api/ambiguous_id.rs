//! The message if the beginning of an id matches several jobs: it lists them.

use cli::format::duration;
use cli::text::{Charset, brief};

use crate::job::Job;
use crate::state::live_state::sort_newest_first;

/// The most jobs that are listed.
const MAX_LISTED: usize = 8;
const NAME_COLUMNS: usize = 40;

/// Lists the jobs whose ids begin with `text`, newest first.
pub(crate) fn describe_candidates(text: &str, mut jobs: Vec<&Job>, now_ms: u64) -> String {
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
