//! Reports bad records and malformed text on stderr, below the summary.

use access::Client;
use cli::Failure;
use cli::{format, text};
use proto::v1::{Job, Reject};

use crate::rejects::page;

/// Number of bad records shown.
const SHOWN: u32 = 3;
const RAW_CHARS: usize = 60;

/// When and why a job's rows and bad records were removed. `None` if they were not.
pub(crate) fn gone(job: &Job) -> Option<String> {
    let ago_ms = proto::unix_ms().saturating_sub(job.expired_unix_ms?);
    Some(format!(
        "its rows and bad records were removed {} ago, because {} (rowmill master --keep)",
        format::duration(ago_ms),
        text::for_message(&job.expired_reason)
    ))
}

/// Reports the bad records of a job with the first few of them, and `hint` about how to see all.
pub(crate) async fn say_bad(client: &mut Client, job: &Job, hint: &str) -> Result<(), Failure> {
    if !job.reason.is_empty() {
        cli::stderr_line!("rowmill: {}", text::for_message(&job.reason));
    }
    if job.replaced > 0 {
        let sequences = format::plural(job.replaced, "malformed sequence");
        cli::stderr_line!(
            "rowmill: {sequences} of bytes read as U+FFFD; if another encoding is meant, pass \
             --encoding NAME, such as windows-1252"
        );
    }
    if job.rejects == 0 || job.expired_unix_ms.is_some() {
        return Ok(());
    }
    let first = page(client, &job.job_id, String::new(), SHOWN).await?;
    cli::stderr_line!(
        "rowmill: {}; {hint}",
        format::plural(job.rejects, "bad record")
    );
    for reject in &first.rejects {
        cli::stderr_line!("  {}", line(reject));
    }
    if job.rejects > first.rejects.len() as u64 {
        cli::stderr_line!("  …");
    }
    Ok(())
}

/// `line 7: 5 fields where the header has 10: a,b,c,d,e`.
fn line(reject: &Reject) -> String {
    let place = match &reject.file[..] {
        "" => format!("line {}", reject.line),
        file => format!("{}, line {}", text::for_message(file), reject.line),
    };
    let raw = String::from_utf8_lossy(&reject.raw);
    let mut shown: String = raw.chars().take(RAW_CHARS).collect();
    if raw.chars().nth(RAW_CHARS).is_some() {
        shown.push('…');
    }
    format!(
        "{place}: {}: {}",
        text::for_message(&reject.reason),
        text::for_message(&shown)
    )
}
