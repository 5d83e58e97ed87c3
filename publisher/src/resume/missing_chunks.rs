//! Asks the master which chunks of a job it lacks. The journal does not know whether a queue was purged, or the
//! master's data restored from an older copy.

use access::{Client, MasterArgs};
use proto::JobId;
use proto::v1::{JobState, ListMissingRequest};
use tonic::{Code, Status};

/// The largest number of ranges kept. All chunks behind them count as missing; chunks sent twice have no effect.
const MAX_RANGES: usize = 100_000;

/// Ranges of a job's chunks, by first and last seq. A range without a last seq is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChunkRanges(Vec<(u64, Option<u64>)>);

/// The master's answer about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MasterReport {
    /// The master gave no answer, with the reason.
    Unanswered(String),
    /// The master does not know the job.
    NotFound,
    /// The master knows the job and lacks the chunks in `missing`.
    Known {
        state: JobState,
        has_open: bool,
        has_seal: bool,
        missing: ChunkRanges,
    },
}

impl ChunkRanges {
    /// Every chunk.
    pub(crate) fn all() -> Self {
        Self(vec![(0, None)])
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= seq);
        let range = behind.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|(_, last)| last.is_none_or(|last| seq <= last))
    }
}

/// Asks the master once.
pub(crate) async fn query_missing(master: &MasterArgs, job: JobId) -> MasterReport {
    match master.connect().await {
        Ok(client) => read_missing(client, job).await,
        Err(failure) => MasterReport::Unanswered(failure.to_string()),
    }
}

async fn read_missing(mut client: Client, job: JobId) -> MasterReport {
    let mut request = ListMissingRequest {
        job_id: job.to_string(),
        from_seq: 0,
    };
    let mut missing = ChunkRanges::default();
    loop {
        let response = match client.list_missing(request.clone()).await {
            Ok(response) => response.into_inner(),
            Err(status) => return report_of_error(&status),
        };
        let state = response.state();
        let ranges = response.missing.iter();
        missing
            .0
            .extend(ranges.map(|range| (range.first_seq, range.last_seq)));
        let next = response.next_seq.filter(|next| *next > request.from_seq);
        if let Some(next) = next {
            if missing.0.len() < MAX_RANGES {
                request.from_seq = next;
                continue;
            }
            missing.0.push((next, None));
        }
        return MasterReport::Known {
            state,
            has_open: response.has_open,
            has_seal: response.has_seal,
            missing,
        };
    }
}

fn report_of_error(status: &Status) -> MasterReport {
    match status.code() {
        Code::NotFound => MasterReport::NotFound,
        _ => MasterReport::Unanswered(format!("the master says: {}", status.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_in_a_range_is_missing() {
        let missing = ChunkRanges(vec![(1, Some(1)), (4, Some(6)), (9, None)]);
        let contains: Vec<u64> = (0..12).filter(|&seq| missing.contains(seq)).collect();
        assert_eq!(contains, [1, 4, 5, 6, 9, 10, 11]);
        assert!(ChunkRanges::all().contains(0) && !ChunkRanges::default().contains(0));
    }
}
