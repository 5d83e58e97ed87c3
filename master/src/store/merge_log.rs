//! Stores a job's merged state as a base, in the job's row, and a log of later changes, in the table `piece`. A commit
//! appends only what it merged. When the log outgrows the base, both are compacted into a new base, so that at most
//! about three times the incoming bytes are written.

use std::sync::Arc;

use engine::operation::Merged;
use prost::Message;
use proto::v1::ChunkResult;
use rusqlite::{Connection, Transaction, params};

use super::error::StoreError;
use crate::job::{Job, MergedBytes};

/// A log below this size is not compacted, however small the base is.
const MIN_BASE_BYTES: u64 = 64 << 10;

/// Appends `more`, the state that this transaction merges into the job. `job.merged` does not have it yet.
pub(super) fn append(
    transaction: &Transaction<'_>,
    job: &mut Job,
    more: &Merged,
) -> Result<(), StoreError> {
    let entry = encode(more);
    let log = job.merged_bytes.log + entry.len() as u64;
    if log <= job.merged_bytes.base.max(MIN_BASE_BYTES) {
        job.merged_bytes.log = log;
        transaction
            .prepare_cached("INSERT INTO piece (job, partial) VALUES (?, ?)")?
            .execute(params![job.key, entry])?;
        return Ok(());
    }
    let mut base = Arc::clone(job.merged.as_ref().unwrap_or(&Arc::new(more.clone())));
    if job.merged.is_some() {
        merge_into(&mut base, more)?;
    }
    compact(transaction, job, &base)
}

/// Writes the base and deletes the log.
fn compact(transaction: &Transaction<'_>, job: &mut Job, base: &Merged) -> Result<(), StoreError> {
    let bytes = encode(base);
    job.merged_bytes = MergedBytes {
        base: bytes.len() as u64,
        log: 0,
    };
    transaction
        .prepare_cached("UPDATE job SET partial = ? WHERE key = ?")?
        .execute(params![bytes, job.key])?;
    transaction
        .prepare_cached("DELETE FROM piece WHERE job = ?")?
        .execute([job.key])?;
    Ok(())
}

/// Merges into a state that copies may share. It was checked before that both are of the same job.
pub(super) fn merge_into(base: &mut Arc<Merged>, more: &Merged) -> Result<(), StoreError> {
    Arc::make_mut(base)
        .merge(more)
        .map_err(StoreError::Unmergeable)
}

/// Reads the job's merged state: `partial` is the base from its row.
pub(super) fn read(
    connection: &Connection,
    job: &mut Job,
    partial: Option<Vec<u8>>,
) -> Result<(), StoreError> {
    let mut base = match &partial {
        Some(bytes) => decode(bytes)?,
        None => None,
    };
    job.merged_bytes.base = partial.map_or(0, |bytes| bytes.len() as u64);
    let mut statement =
        connection.prepare_cached("SELECT partial FROM piece WHERE job = ? ORDER BY key")?;
    let mut rows = statement.query([job.key])?;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        job.merged_bytes.log += bytes.len() as u64;
        match (&mut base, decode(&bytes)?) {
            (_, None) => {}
            (Some(base), Some(entry)) => base.merge(&entry).map_err(StoreError::Unmergeable)?,
            (base @ None, entry) => *base = entry,
        }
    }
    job.merged = base.map(Arc::new);
    Ok(())
}

fn encode(merged: &Merged) -> Vec<u8> {
    let result = ChunkResult {
        partial: Some(merged.partial()),
        ..Default::default()
    };
    result.encode_to_vec()
}

fn decode(bytes: &[u8]) -> Result<Option<Merged>, StoreError> {
    let result = ChunkResult::decode(bytes).map_err(StoreError::unreadable("partial"))?;
    let merged = result.partial.as_ref().map(Merged::try_from);
    merged.transpose().map_err(StoreError::Unmergeable)
}

#[cfg(test)]
mod tests {
    use engine::operation::Mergeable;
    use engine::profile::Profiler;
    use proto::JobId;
    use proto::v1::ProfileSpec;
    use proto::v1::chunk_result::Partial;

    use super::super::{Store, StoreLocation};
    use super::*;
    use crate::message::JobMessage;

    /// Too many values for an exact table, so that every entry has sketches.
    fn result(seq: u64) -> ChunkResult {
        let mut profiler = Profiler::new(1, &ProfileSpec::default(), seq);
        for number in seq * 2000..seq * 2000 + 1500 {
            profiler.add(std::iter::once(number.to_string().as_bytes()));
        }
        ChunkResult {
            seq,
            rows: 1500,
            partial: Some(profiler.merged().partial().into()),
            ..Default::default()
        }
    }

    fn state(store: &Store, id: JobId) -> Option<Partial> {
        store
            .job(id)?
            .merged
            .as_ref()
            .map(|merged| merged.partial())
    }

    #[test]
    fn a_restart_reads_the_merged_state_from_the_base_and_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Directory(dir.path().into());
        let id = JobId::new();
        let mut compactions = 0;
        for seq in 0..24 {
            let mut store = Store::open(&location).unwrap();
            let before = state(&store, id);
            let message = JobMessage::Result(id, Box::new(result(seq)));
            store.apply(std::slice::from_ref(&message), 1).unwrap();
            let merged = state(&store, id).unwrap();
            assert_ne!(Some(&merged), before.as_ref());
            // A duplicate has no effect.
            store.apply(&[message], 1).unwrap();
            assert_eq!(state(&store, id).as_ref(), Some(&merged));
            let merged_bytes = store.job(id).unwrap().merged_bytes;
            compactions += u64::from(merged_bytes.log == 0);
            drop(store);
            let store = Store::open(&location).unwrap();
            assert_eq!(state(&store, id), Some(merged));
            assert_eq!(store.job(id).unwrap().merged_bytes, merged_bytes);
        }
        assert!((1..12).contains(&compactions), "{compactions} compactions");
    }
}
