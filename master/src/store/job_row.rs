//! The table `job`: a row for each job, updated by every transaction that changes it.

use std::collections::HashMap;

use prost::Message;
use proto::JobId;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::dead_state::DeadState;
use super::error::StoreError;
use super::merge_log;
use crate::job::{Control, Expiry, Job, JobCounts};

/// Inserts the row of a new job. Returns its key.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    id: JobId,
    now_ms: u64,
) -> Result<i64, StoreError> {
    transaction
        .prepare_cached("INSERT INTO job (job_id, heard_unix_ms) VALUES (?, ?)")?
        .execute(params![id.to_string(), now_ms as i64])?;
    Ok(transaction.last_insert_rowid())
}

/// Updates the row of a job, except its merged state. An opening or a seal that could not be decoded stays unchanged.
pub(super) fn save(transaction: &Transaction<'_>, job: &Job) -> Result<(), StoreError> {
    let counts = &job.counts;
    transaction
        .prepare_cached(
            "UPDATE job SET finished_unix_ms = ?, finished_age_ms = ?, open = coalesce(?, open), \
             seal = coalesce(?, seal), chunks_done = ?, chunks_dead = ?, \
             rows = ?, rejects = ?, bytes = ?, retries = ?, duplicates = ?, \
             spilled = ?, control = ?, replaced = ?, output_rows = ?, output_bytes = ?, \
             expired_unix_ms = ?, expired_reason = ?, frontier = ?, damage = ? WHERE key = ?",
        )?
        .execute(params![
            job.finished_unix_ms.map(|ms| ms as i64),
            job.finished_age_ms.map(|ms| ms as i64),
            job.open.as_ref().map(Message::encode_to_vec),
            job.seal.as_ref().map(Message::encode_to_vec),
            counts.chunks_done as i64,
            counts.chunks_dead as i64,
            counts.rows as i64,
            counts.rejects as i64,
            counts.bytes as i64,
            counts.retries as i64,
            counts.duplicates as i64,
            counts.spilled as i64,
            job.control as i64,
            counts.replaced as i64,
            counts.output_rows as i64,
            counts.output_bytes as i64,
            job.expired.as_ref().map(|expired| expired.unix_ms as i64),
            job.expired.as_ref().map_or("", |expired| &expired.reason),
            job.frontier as i64,
            job.damage,
            job.key,
        ])?;
    Ok(())
}

/// Reads all jobs. If a part of a job cannot be decoded, the job is damaged and has the other parts.
pub(super) fn read_all(connection: &Connection) -> Result<HashMap<JobId, Job>, StoreError> {
    let mut statement = connection.prepare("SELECT * FROM job")?;
    let mut rows = statement.query([])?;
    let mut jobs = HashMap::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get("job_id")?;
        let Ok(id) = text.parse() else {
            tracing::error!(
                id = text,
                "the database has a job with an invalid id; it is not shown"
            );
            continue;
        };
        let mut job = read(row, id)?;
        if let Err(error) = merge_log::read(connection, &mut job, row.get("partial")?) {
            job.mark_damaged(&error.local_to_job()?.to_string());
        }
        job.unresolved = unresolved(connection, job.key)?;
        job.waiting = waiting(connection, job.key)?;
        job.set_aside = set_aside(connection, job.key)?;
        job.next_commit_index = next_commit_index(connection, &job)?;
        jobs.insert(id, job);
    }
    Ok(jobs)
}

fn read(row: &Row<'_>, id: JobId) -> Result<Job, StoreError> {
    let mut job = Job::new(id, row.get("key")?, count(row, "heard_unix_ms")?);
    job.finished_unix_ms = optional(row, "finished_unix_ms")?;
    job.finished_age_ms = optional(row, "finished_age_ms")?;
    job.control = Control::from_column(row.get("control")?);
    job.frontier = count(row, "frontier")?;
    job.damage = row.get("damage")?;
    job.open = blob(row, "open", "JobOpen", &mut job)?;
    job.seal = blob(row, "seal", "JobSeal", &mut job)?;
    job.counts = JobCounts {
        chunks_done: count(row, "chunks_done")?,
        chunks_dead: count(row, "chunks_dead")?,
        rows: count(row, "rows")?,
        rejects: count(row, "rejects")?,
        bytes: count(row, "bytes")?,
        retries: count(row, "retries")?,
        duplicates: count(row, "duplicates")?,
        spilled: count(row, "spilled")?,
        replaced: count(row, "replaced")?,
        output_rows: count(row, "output_rows")?,
        output_bytes: count(row, "output_bytes")?,
    };
    job.expired = match optional(row, "expired_unix_ms")? {
        None => None,
        Some(unix_ms) => Some(Expiry {
            unix_ms,
            reason: row.get("expired_reason")?,
        }),
    };
    Ok(job)
}

/// How many results of the job have unresolved unique keys.
pub(super) fn unresolved(connection: &Connection, key: i64) -> Result<u64, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM result WHERE job = ? AND settled = 0")?;
    statement.query_row([key], |row| row.get::<_, i64>(0).map(|count| count as u64))
}

fn waiting(connection: &Connection, key: i64) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM waiting WHERE job = ?")?;
    statement.query_row([key], |row| row.get::<_, i64>(0).map(|count| count as u64))
}

fn set_aside(connection: &Connection, key: i64) -> Result<u64, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM dead WHERE job = ? AND state = ?")?;
    statement.query_row(params![key, DeadState::SetAside], |row| {
        row.get::<_, i64>(0).map(|count| count as u64)
    })
}

/// Deletes the messages that are held back for a job, when it is cancelled: parked chunks, and results that wait for its
/// header.
pub(super) fn drop_held(transaction: &Transaction<'_>, job: &mut Job) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM dead WHERE job = ? AND state = ?",
        params![job.key, DeadState::Parked],
    )?;
    transaction.execute("DELETE FROM waiting WHERE job = ?", [job.key])?;
    job.waiting = 0;
    Ok(())
}

/// The commit index of the next result: after all existing ones, even if some were excluded.
fn next_commit_index(connection: &Connection, job: &Job) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT place FROM result WHERE job = ? AND output IS NOT NULL \
         ORDER BY place DESC LIMIT 1",
    )?;
    let last: Option<i64> = statement
        .query_row([job.key], |row| row.get(0))
        .optional()?;
    let next = last.map_or(0, |last| last as u64 + 1);
    Ok(next.max(job.counts.chunks_done))
}

/// SQLite has no unsigned integers. The same 64 bits are stored as a signed one.
fn count(row: &Row<'_>, column: &str) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(|signed| signed as u64)
}

fn optional(row: &Row<'_>, column: &str) -> Result<Option<u64>, rusqlite::Error> {
    let signed: Option<i64> = row.get(column)?;
    Ok(signed.map(|signed| signed as u64))
}

fn blob<T: Message + Default>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
    job: &mut Job,
) -> Result<Option<T>, StoreError> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    match T::decode(&bytes[..]) {
        Ok(message) => Ok(Some(message)),
        Err(error) => {
            job.mark_damaged(&StoreError::unreadable(what)(error).to_string());
            Ok(None)
        }
    }
}
