//! `rowmill workers`: lists the workers known to the master.

use std::io::Write;

use access::MasterArgs;
use cli::format;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::{Heartbeat, ListWorkersRequest, Worker, WorkerState};
use serde::Serialize;

use report::json::write_line as json_line;
use report::{Align, Table};

use crate::output::width;
use crate::query::request_failure;

/// List workers, by host and process id; lost workers are listed for an hour
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: MasterArgs,

    /// Write JSON, one line per worker
    #[arg(long)]
    json: bool,
}

const COLUMNS: [(&str, Align); 10] = [
    ("host", Align::Left),
    ("pid", Align::Right),
    ("state", Align::Left),
    ("lane", Align::Left),
    ("threads", Align::Right),
    ("running", Align::Right),
    ("rows/s", Align::Right),
    ("rows", Align::Right),
    ("failures", Align::Right),
    ("heard", Align::Right),
];

/// A worker as JSON. A stable format: no field changes its meaning.
#[derive(Debug, Serialize)]
struct WorkerJson {
    worker_id: String,
    host: String,
    pid: u32,
    state: &'static str,
    version: String,
    lane: String,
    commands: Vec<String>,
    threads: u32,
    in_hand: usize,
    chunks: u64,
    rows: u64,
    bytes: u64,
    retries: u64,
    failures: u64,
    rows_per_s: f64,
    bytes_per_s: f64,
    cpu: Option<f64>,
    memory_bytes: Option<u64>,
    started_unix_ms: u64,
    heard_unix_ms: u64,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let mut workers = Vec::new();
        let mut page_token = String::new();
        loop {
            let answer = client.list_workers(ListWorkersRequest { page_token }).await;
            let page = answer
                .map_err(|status| request_failure(&status))?
                .into_inner();
            workers.extend(page.workers);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            for worker in workers {
                json_line(&mut out, &WorkerJson::from(worker)).or_unwritable(STDOUT)?;
            }
        } else if workers.is_empty() {
            cli::stderr_line!("rowmill: no workers yet; start one with: rowmill worker");
        } else {
            let mut table = Table::new(&COLUMNS);
            for worker in &workers {
                table.row(cells(worker));
            }
            table.write(&mut out, width()).or_unwritable(STDOUT)?;
        }
        out.flush().or_unwritable(STDOUT)?;
        Ok(Exit::Ok)
    }
}

fn cells(worker: &Worker) -> [String; 10] {
    let beat = worker.heartbeat.clone().unwrap_or_default();
    let age_ms = proto::unix_ms().saturating_sub(worker.heard_unix_ms);
    [
        beat.host,
        beat.pid.to_string(),
        state_name(worker.state()).to_owned(),
        beat.lane,
        beat.threads.to_string(),
        beat.in_hand.len().to_string(),
        format::rate(worker.rows_per_s, usize::MAX),
        format::grouped(beat.rows),
        format::grouped(beat.failures),
        format!("{} ago", format::duration(age_ms)),
    ]
}

fn state_name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Unspecified => "unknown",
        WorkerState::Running => "running",
        WorkerState::Draining => "draining",
        WorkerState::Left => "left",
        WorkerState::Lost => "lost",
    }
}

impl From<Worker> for WorkerJson {
    fn from(worker: Worker) -> Self {
        let state = state_name(worker.state());
        let Heartbeat {
            worker_id,
            host,
            pid,
            version,
            started_unix_ms,
            threads,
            chunks,
            rows,
            bytes,
            retries,
            failures,
            in_hand,
            lane,
            commands,
            cpu,
            memory_bytes,
            ..
        } = worker.heartbeat.unwrap_or_default();
        Self {
            worker_id,
            host,
            pid,
            state,
            version,
            lane,
            commands,
            threads,
            in_hand: in_hand.len(),
            chunks,
            rows,
            bytes,
            retries,
            failures,
            rows_per_s: worker.rows_per_s,
            bytes_per_s: worker.bytes_per_s,
            cpu,
            memory_bytes,
            started_unix_ms,
            heard_unix_ms: worker.heard_unix_ms,
        }
    }
}
