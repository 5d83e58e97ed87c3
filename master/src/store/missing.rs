//! The chunks of a job that are neither done nor dead, so that its publisher can send them again.

use rusqlite::params;

use super::dead_state::DeadState;
use super::disk::Disk;
use super::error::StoreError;
use super::parts::Store;
use crate::job::Job;

/// The most ranges of one page.
const RANGES: usize = 1000;
/// The most chunks that one page examines, so that it does not block the actor's thread for long.
const LOOKED_AT: i64 = 100_000;

/// A page of a job's missing chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissingPage {
    /// First and last seq of each range. The last one is `None` if the job has no seal: then all further chunks are
    /// missing.
    pub ranges: Vec<(u64, Option<u64>)>,
    /// Where the next page begins. `None` if there is none.
    pub next: Option<u64>,
}

impl<D: Disk> Store<D> {
    /// The chunks of `job` from `from` on that have no result and are not dead. A result that waits for its job's
    /// header counts. Parked chunks are not missing, since the store has them. Replayed
    /// chunks are, since the workers have them, or they are lost.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn missing(&self, job: &Job, from: u64) -> Result<MissingPage, StoreError> {
        let end = job.seal.as_ref().map(|seal| seal.chunks);
        // Numbers beyond SQLite's range are beyond every job's chunks.
        let first = i64::try_from(from).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM result WHERE job = ?1 AND seq >= ?2 \
             UNION SELECT seq FROM waiting WHERE job = ?1 AND seq >= ?2 \
             UNION SELECT seq FROM dead WHERE job = ?1 AND seq >= ?2 AND state <> ?4 \
             ORDER BY seq LIMIT ?3",
        )?;
        let seqs = statement.query_map(
            params![job.key, first, LOOKED_AT, DeadState::Replaying],
            |row| row.get::<_, i64>(0).map(|seq| seq as u64),
        )?;
        let mut page = MissingPage::default();
        let (mut at, mut looked_at) = (from, 0);
        for seq in seqs {
            let seq = seq?;
            if end.is_some_and(|end| seq >= end) {
                break;
            }
            if seq > at {
                page.ranges.push((at, Some(seq - 1)));
            }
            at = seq + 1;
            looked_at += 1;
            if page.ranges.len() == RANGES || looked_at == LOOKED_AT {
                page.next = Some(at);
                return Ok(page);
            }
        }
        match end {
            Some(end) if at < end => page.ranges.push((at, Some(end - 1))),
            Some(_) => {}
            None => page.ranges.push((at, None)),
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use proto::JobId;

    use super::super::fixture::{failure, seal};
    use super::*;
    use crate::message::JobMessage;
    use crate::store::StoreLocation;

    fn parked(id: JobId, seq: u64) -> JobMessage {
        let mut parked = failure(id, seq);
        if let JobMessage::Failure(_, failure) = &mut parked {
            failure.is_parked = true;
        }
        parked
    }

    #[test]
    fn what_is_missing_is_told_in_ranges_up_to_the_jobs_end() {
        let spill = tempfile::tempdir().unwrap();
        let location = StoreLocation::Memory {
            spill: spill.path().to_owned(),
        };
        let mut store = Store::open(&location).unwrap();
        let id = JobId::new();
        let missing = |store: &Store, from| store.missing(store.job(id).unwrap(), from).unwrap();
        let known = [failure(id, 2), failure(id, 3), parked(id, 5)];
        store.apply(&known, 1).unwrap();
        let open_ended = [(0, Some(1)), (4, Some(4)), (6, None)];
        assert_eq!(missing(&store, 0).ranges, open_ended);
        store.apply(&[seal(id, 8)], 2).unwrap();
        let page = missing(&store, 1);
        assert_eq!(page.ranges, [(1, Some(1)), (4, Some(4)), (6, Some(7))]);
        assert_eq!(page.next, None);
        assert_eq!(missing(&store, 7).ranges, [(7, Some(7))]);
        assert_eq!(missing(&store, u64::MAX).ranges, []);
        // A replayed chunk is with the workers, not in the store.
        store.replayed(id, 3).unwrap();
        assert_eq!(missing(&store, 3).ranges, [(3, Some(4)), (6, Some(7))]);
    }

    #[test]
    fn many_ranges_come_in_pages() {
        let spill = tempfile::tempdir().unwrap();
        let location = StoreLocation::Memory {
            spill: spill.path().to_owned(),
        };
        let mut store = Store::open(&location).unwrap();
        let id = JobId::new();
        let seqs = (0..=RANGES as u64).map(|n| failure(id, 2 * n + 1));
        store.apply(&seqs.collect::<Vec<_>>(), 1).unwrap();
        let job = store.job(id).unwrap();
        let first = store.missing(job, 0).unwrap();
        assert_eq!(first.ranges.len(), RANGES);
        let rest = store.missing(job, first.next.unwrap()).unwrap();
        assert_eq!(rest.ranges, [(2000, Some(2000)), (2002, None)]);
        assert_eq!(rest.next, None);
    }
}
