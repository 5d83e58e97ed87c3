//! The summary of a job in one line: its counts and its speed.

use cli::format;
use proto::v1::{GetJobResponse, Job};

use crate::render::{Render, renderer};

/// `orders.csv: 677 rows, 10 columns, 99.9 kB, in 2 ms (49.9 MB/s)`.
pub fn summary(response: &GetJobResponse) -> String {
    let job = response.job.clone().unwrap_or_default();
    let report = renderer(response.report.as_ref());
    let columns = || format::plural(response.columns.len() as u64, "column");
    let output = report.and_then(Render::output).unwrap_or_else(columns);
    let mut line = format!(
        "{}: {}, {output}, {}",
        cli::text::for_message(&job.name),
        format::plural(job.rows, "row"),
        format::bytes(job.source_bytes.unwrap_or(job.bytes)),
    );
    line += &report.map_or_else(String::new, Render::remark);
    if job.rejects > 0 {
        let rejects = format::plural(job.rejects, "bad record");
        line += &format!(", {rejects} left out");
    }
    line += &pace(&job);
    if job.chunks_dead > 0 {
        line += &format!(", DEAD CHUNKS: {}", job.chunks_dead);
    }
    if !job.damage.is_empty() {
        line += &format!(", DAMAGED: {}", cli::text::visible(&job.damage));
    }
    line
}

/// The time taken and the rate; for an unfinished job, its progress.
fn pace(job: &Job) -> String {
    let Some(finished_ms) = job.finished_unix_ms else {
        return format!(", {}", partial_label(job));
    };
    let ms = finished_ms.saturating_sub(job.opened_unix_ms);
    let took = match ms {
        0..1000 => format!("{ms} ms"),
        _ => format::short_duration(ms),
    };
    // Rejected records were read as well, so the size of the source counts.
    let bytes = job
        .source_bytes
        .map_or(job.bytes, |bytes| bytes.max(job.bytes));
    let bytes_per_s = bytes as f64 / (ms.max(1) as f64 / 1e3);
    let rate = format::megabytes_per_s(bytes_per_s);
    format!(", in {took} ({rate} MB/s)")
}

/// `partial, 66 %`.
pub(crate) fn partial_label(job: &Job) -> String {
    match job.progress {
        Some(share) => format!("partial, {}", format::percent(share)),
        None => "partial".to_owned(),
    }
}
