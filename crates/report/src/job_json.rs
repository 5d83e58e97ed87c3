//! Writes a job and its result as JSON, and reads a profile back. Numbers are raw: no grouping, no
//! rounding.

use std::io::{self, Write};

use proto::v1::{
    ColumnProfile, DeadChunkInfo, GetJobResponse, Input, Job, JobState, Profile, Sniffed,
};
use serde::{Deserialize, Serialize};

use super::column_json::{ColumnJson, EstimateJson};
use super::render::ReportJson;

/// A job, with its result if it was requested.
#[derive(Debug, Serialize)]
pub struct JobJson {
    job_id: String,
    name: String,
    operation: String,
    state: &'static str,
    /// Whether the numbers may still change.
    partial: bool,
    publisher: String,
    /// The lane of the workers for its chunks; empty for workers without a lane.
    #[serde(skip_serializing_if = "String::is_empty")]
    lane: String,
    opened_unix_ms: u64,
    finished_unix_ms: Option<u64>,
    rows: u64,
    rejects: u64,
    bytes: u64,
    source_bytes: Option<u64>,
    chunks_total: Option<u64>,
    chunks_done: u64,
    chunks_dead: u64,
    retries: u64,
    duplicates: u64,
    progress: Option<f64>,
    no_workers: bool,
    /// Number of chunks without a result that are in no queue and on no worker.
    #[serde(skip_serializing_if = "is_nothing")]
    chunks_lost: u64,
    /// Description of lost or corrupt data.
    #[serde(skip_serializing_if = "String::is_empty")]
    damage: String,
    /// Number of malformed byte sequences replaced by U+FFFD.
    replaced: u64,
    /// Why it was cancelled, if not by a user.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Number of stored output records, and their stored size in bytes.
    #[serde(skip_serializing_if = "is_nothing")]
    output_rows: u64,
    #[serde(skip_serializing_if = "is_nothing")]
    output_bytes: u64,
    /// When and why its rows and bad records were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_unix_ms: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    expired_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<InputJson>,
    #[serde(flatten)]
    report: Option<ReportJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead: Vec<DeadJson>,
}

#[derive(Debug, Serialize)]
struct InputJson {
    files: Vec<String>,
    files_total: u64,
    encoding: String,
    compression: Option<String>,
    sniffed: Vec<SniffedJson>,
}

/// A property of the input that was detected, not given.
#[derive(Debug, Serialize)]
pub struct SniffedJson {
    what: String,
    value: String,
    confidence: f64,
}

#[derive(Debug, Serialize)]
struct DeadJson {
    seq: u64,
    reason: String,
    worker_id: String,
    attempts: u32,
    first_line: u64,
    rows: u64,
}

/// The part of a [`JobJson`] that is read back.
#[derive(Debug, Deserialize)]
struct ProfileJson {
    #[serde(default)]
    name: String,
    rows: u64,
    #[serde(default)]
    rejects: u64,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    duplicate_rows: Option<EstimateJson>,
    columns: Vec<ColumnJson>,
}

/// Writes one job.
pub(crate) fn write(out: &mut impl Write, response: &GetJobResponse) -> io::Result<()> {
    crate::json::write_pretty(out, &job_json(response))
}

/// One job as JSON.
fn job_json(response: &GetJobResponse) -> JobJson {
    let job = response.job.clone().unwrap_or_default();
    JobJson {
        partial: response.partial,
        input: response.input.as_ref().map(input),
        report: ReportJson::new(response.report.as_ref()),
        dead: response.dead.iter().map(dead).collect(),
        ..job.into()
    }
}

/// Reads a job's name, counts and profile from the JSON output.
///
/// # Errors
///
/// If the text is not such JSON.
pub fn read(text: &str) -> serde_json::Result<GetJobResponse> {
    // Some shells write a byte order mark at the start of redirected output.
    let text = text.trim_start_matches('\u{feff}');
    let json: ProfileJson = serde_json::from_str(text)?;
    let columns: Vec<ColumnProfile> = json.columns.into_iter().map(Into::into).collect();
    Ok(GetJobResponse {
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        job: Some(Job {
            name: json.name,
            rows: json.rows,
            rejects: json.rejects,
            ..Job::default()
        }),
        report: Some(
            Profile {
                rows: json.rows,
                columns,
                duplicate_rows: json.duplicate_rows.map(Into::into),
            }
            .into(),
        ),
        partial: json.partial,
        ..GetJobResponse::default()
    })
}

impl From<Job> for JobJson {
    fn from(job: Job) -> Self {
        Self {
            state: state_name(job.state()),
            partial: job.finished_unix_ms.is_none()
                || job.chunks_dead > 0
                || !job.damage.is_empty(),
            job_id: job.job_id,
            name: job.name,
            operation: job.operation,
            publisher: job.publisher,
            lane: job.lane,
            opened_unix_ms: job.opened_unix_ms,
            finished_unix_ms: job.finished_unix_ms,
            rows: job.rows,
            rejects: job.rejects,
            bytes: job.bytes,
            source_bytes: job.source_bytes,
            chunks_total: job.chunks_total,
            chunks_done: job.chunks_done,
            chunks_dead: job.chunks_dead,
            retries: job.retries,
            duplicates: job.duplicates,
            progress: job.progress,
            no_workers: job.no_workers,
            chunks_lost: job.chunks_lost,
            damage: job.damage,
            replaced: job.replaced,
            reason: job.reason,
            output_rows: job.output_rows,
            output_bytes: job.output_bytes,
            expired_unix_ms: job.expired_unix_ms,
            expired_reason: job.expired_reason,
            input: None,
            report: None,
            dead: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

fn input(input: &Input) -> InputJson {
    InputJson {
        files: input.files.clone(),
        files_total: input.files_total,
        encoding: input.encoding.clone(),
        compression: Some(input.compression.clone()).filter(|name| !name.is_empty()),
        sniffed: input.sniffed.iter().map(Into::into).collect(),
    }
}

impl From<&Sniffed> for SniffedJson {
    fn from(sniffed: &Sniffed) -> Self {
        Self {
            what: sniffed.what.clone(),
            value: sniffed.value.clone(),
            confidence: sniffed.confidence,
        }
    }
}

fn dead(dead: &DeadChunkInfo) -> DeadJson {
    DeadJson {
        seq: dead.seq,
        reason: dead.reason.clone(),
        worker_id: dead.worker_id.clone(),
        attempts: dead.attempts,
        first_line: dead.first_line,
        rows: dead.rows,
    }
}

/// The state's name, the same in tables and JSON.
pub fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Publishing => "publishing",
        JobState::Stalled => "stalled",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::DoneWithFailures => "done with failures",
        JobState::Cancelled => "cancelled",
        JobState::Paused => "paused",
        JobState::Damaged => "damaged",
        JobState::ChunksLost => "chunks lost",
    }
}
