//! A job and its result as JSON. Numbers are raw: no grouping, no rounding.

use proto::v1::{
    ColumnProfile, ColumnType, DeadChunkInfo, GetJobResponse, Input, Job, JobState, Sniffed,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// A job, with its profile where one was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct JobJson {
    job_id: String,
    name: String,
    operation: String,
    state: &'static str,
    /// Whether the numbers may still change.
    partial: bool,
    publisher: String,
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
    /// Malformed sequences that were taken for U+FFFD.
    replaced: u64,
    /// Why it was cancelled, where that was not by a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<InputJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnJson>,
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

/// Something about the input that was not given but found.
#[derive(Debug, Serialize)]
pub(crate) struct SniffedJson {
    what: String,
    value: String,
    confidence: f64,
}

#[derive(Debug, Serialize)]
struct ColumnJson {
    name: String,
    r#type: &'static str,
    fit: f64,
    count: u64,
    empty: u64,
    min: Option<Scalar>,
    max: Option<Scalar>,
    sum: Option<Scalar>,
    mean: Option<f64>,
    stddev: Option<f64>,
    length_min: Option<u64>,
    length_max: Option<u64>,
    length_mean: Option<f64>,
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

/// A number with all its digits, or text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Scalar {
    Number(Box<RawValue>),
    Text(String),
}

/// One job's answer as JSON.
pub(crate) fn job_json(response: &GetJobResponse) -> JobJson {
    let job = response.job.clone().unwrap_or_default();
    let columns = response.profile.iter().flat_map(|profile| &profile.columns);
    JobJson {
        partial: response.partial,
        input: response.input.as_ref().map(input),
        columns: columns.map(column).collect(),
        dead: response.dead.iter().map(dead).collect(),
        ..job.into()
    }
}

impl From<Job> for JobJson {
    fn from(job: Job) -> Self {
        Self {
            state: state_name(job.state()),
            partial: job.finished_unix_ms.is_none() || job.chunks_dead > 0,
            job_id: job.job_id,
            name: job.name,
            operation: job.operation,
            publisher: job.publisher,
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
            replaced: job.replaced,
            reason: job.reason,
            input: None,
            columns: Vec::new(),
            dead: Vec::new(),
        }
    }
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

fn column(column: &ColumnProfile) -> ColumnJson {
    let kind = column.r#type();
    let is_number = matches!(kind, ColumnType::Integer | ColumnType::Decimal);
    let scalar = |text: &Option<String>| text.as_ref().map(|text| scalar(text, is_number));
    ColumnJson {
        name: column.name.clone(),
        r#type: proto::type_name(kind),
        fit: column.fit,
        count: column.count,
        empty: column.empty,
        min: scalar(&column.min),
        max: scalar(&column.max),
        sum: scalar(&column.sum),
        mean: column.mean,
        stddev: column.stddev,
        length_min: column.length_min,
        length_max: column.length_max,
        length_mean: column.length_mean,
    }
}

fn scalar(text: &str, is_number: bool) -> Scalar {
    let number = is_number
        .then(|| RawValue::from_string(text.to_owned()).ok())
        .flatten();
    number.map_or_else(|| Scalar::Text(text.to_owned()), Scalar::Number)
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
pub(crate) fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Publishing => "publishing",
        JobState::Stalled => "stalled",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::DoneWithFailures => "done with failures",
        JobState::Cancelled => "cancelled",
        JobState::Paused => "paused",
    }
}
