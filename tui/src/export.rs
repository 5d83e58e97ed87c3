//! Exports the whole table on the screen as CSV, safe to open in a spreadsheet. The event loop writes
//! the file.

use cli::{Filtered, Filters};
use proto::v1::{DeadChunkInfo, Event, Job, LatestRows, Worker};
use report::Formulas;

use crate::model::Model;
use crate::records::{Records, titled};
use crate::state::State;
use crate::tab::Tab;
use crate::view::records;

/// The name and the contents of the file. `None` if the tab has no table.
pub(crate) fn export(model: &Model) -> Option<(String, Vec<u8>)> {
    let state = model.state.as_ref()?;
    let (what, records) = match model.tab {
        Tab::Jobs => ("jobs".to_owned(), jobs(&model.jobs())),
        Tab::Job => {
            let id = &model.selected_job()?.job_id;
            (format!("job-{id}"), job(state, id)?)
        }
        Tab::Rows => {
            let latest = model.rows()?;
            (format!("rows-{}", latest.job_id), rows(latest))
        }
        Tab::Workers => ("workers".to_owned(), workers(&model.workers())),
        Tab::Dead => ("dead".to_owned(), dead(&model.dead_chunks())),
        Tab::Broker => return None,
        Tab::Log => ("log".to_owned(), events(&model.events())),
    };
    let bytes = (records.len() > 1).then(|| csv(&records))??;
    Some((format!("rowmill-{what}.csv"), bytes))
}

fn jobs(jobs: &[&Job]) -> Records {
    let titles = [
        "job_id",
        "name",
        "operation",
        "state",
        "rows",
        "rejects",
        "dead",
        "bytes",
        "opened_unix_ms",
    ];
    let record = |job: &&Job| {
        vec![
            job.job_id.clone(),
            job.name.clone(),
            job.operation.clone(),
            word(job.state().as_str_name(), "JOB_STATE_"),
            job.rows.to_string(),
            job.rejects.to_string(),
            job.chunks_dead.to_string(),
            job.bytes.to_string(),
            job.opened_unix_ms.to_string(),
        ]
    };
    titled(&titles, jobs.iter().map(record))
}

/// A job's report.
fn job(state: &State, id: &str) -> Option<Records> {
    records(state.report(id))
}

fn rows(latest: &LatestRows) -> Records {
    let columns: Vec<&str> = latest.columns.iter().map(String::as_str).collect();
    titled(&columns, latest.rows.iter().map(|row| row.cells.clone()))
}

fn workers(workers: &[&Worker]) -> Records {
    let titles = [
        "worker_id",
        "host",
        "pid",
        "state",
        "lane",
        "chunks",
        "rows",
        "bytes",
        "retries",
    ];
    let record = |worker: &&Worker| {
        let beat = worker.heartbeat.clone().unwrap_or_default();
        vec![
            beat.worker_id,
            beat.host,
            beat.pid.to_string(),
            word(worker.state().as_str_name(), "WORKER_STATE_"),
            beat.lane,
            beat.chunks.to_string(),
            beat.rows.to_string(),
            beat.bytes.to_string(),
            beat.retries.to_string(),
        ]
    };
    titled(&titles, workers.iter().map(record))
}

fn dead(chunks: &[&DeadChunkInfo]) -> Records {
    let titles = ["job_id", "seq", "line", "rows", "attempts", "reason"];
    let record = |chunk: &&DeadChunkInfo| {
        vec![
            chunk.job_id.clone(),
            chunk.seq.to_string(),
            chunk.first_line.to_string(),
            chunk.rows.to_string(),
            chunk.attempts.to_string(),
            chunk.reason.clone(),
        ]
    };
    titled(&titles, chunks.iter().map(record))
}

fn events(events: &[&Event]) -> Records {
    let record = |event: &&Event| {
        vec![
            event.unix_ms.to_string(),
            word(event.level().as_str_name(), "EVENT_LEVEL_"),
            event.text.clone(),
            event.job_id.clone(),
            event.worker_id.clone(),
        ]
    };
    let titles = ["unix_ms", "level", "text", "job_id", "worker_id"];
    titled(&titles, events.iter().map(record))
}

/// `JOB_STATE_DONE` is `done`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// Writing to memory does not fail.
fn csv(records: &Records) -> Option<Vec<u8>> {
    let guarded = Filters::default().then(Formulas::default());
    let rows_view = Filtered::new(Vec::new(), guarded);
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(rows_view);
    for record in records {
        writer.write_record(record).ok()?;
    }
    writer.into_inner().ok()?.finish().ok()
}
