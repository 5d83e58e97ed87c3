//! What a worker has done and has in hand; the heartbeat tells it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use proto::v1::{Chunk, ChunkInHand, ChunkResult};

/// In a heartbeat, at most so many chunks are named.
const NAMED_AT_MOST: usize = 16;

/// Counters since the start. The lock is held for a few instructions, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    inner: Mutex<Counts>,
}

/// The counters themselves.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) chunks: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) retries: u64,
    pub(crate) failures: u64,
    in_hand: BTreeMap<u64, (String, u64, Instant)>,
    next_ticket: u64,
}

impl Tally {
    /// Notes that work on `chunk` begins; the guard's end is the end of the work.
    pub(crate) fn begin(&self, chunk: &Chunk) -> InHand<'_> {
        let ticket = self.change(|counts| {
            counts.next_ticket += 1;
            let entry = (chunk.job_id.clone(), chunk.seq, Instant::now());
            counts.in_hand.insert(counts.next_ticket, entry);
            counts.next_ticket
        });
        InHand {
            tally: self,
            ticket,
        }
    }

    pub(crate) fn done(&self, result: &ChunkResult) {
        self.change(|counts| {
            counts.chunks += 1;
            counts.rows += result.rows;
            counts.bytes += result.bytes;
        });
    }

    pub(crate) fn retried(&self) {
        self.change(|counts| counts.retries += 1);
    }

    pub(crate) fn failed(&self) {
        self.change(|counts| counts.failures += 1);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.change(|counts| counts.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        // Counters are whole between any two instructions that could panic.
        let mut counts = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut counts)
    }
}

impl Counts {
    /// The chunks in hand, longest first.
    pub(crate) fn in_hand(&self) -> Vec<ChunkInHand> {
        let named = self.in_hand.values().take(NAMED_AT_MOST);
        named
            .map(|(job_id, seq, since)| ChunkInHand {
                job_id: job_id.clone(),
                seq: *seq,
                running_ms: since.elapsed().as_millis() as u64,
            })
            .collect()
    }
}

/// A chunk in hand, for as long as this lives.
#[derive(Debug)]
pub(crate) struct InHand<'a> {
    tally: &'a Tally,
    ticket: u64,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.tally
            .change(|counts| counts.in_hand.remove(&self.ticket));
    }
}
