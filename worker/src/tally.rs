//! What a worker has done and has in hand; the heartbeat tells it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::v1::{Chunk, ChunkInHand, ChunkResult};

use crate::metrics::Metrics;

/// In a heartbeat, at most so many chunks are named.
const NAMED_AT_MOST: usize = 16;

/// Counters since the start, and what is in hand. The lock is held for a few instructions, never across
/// an await.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) metrics: Metrics,
    in_hand: Mutex<Hands>,
    /// Whether the broker has confirmed an answer to any chunk.
    has_answered: AtomicBool,
    /// Deliveries that are not settled.
    unsettled: AtomicU64,
}

/// What is worked on, in the order in which it was begun.
#[derive(Debug, Default)]
struct Hands {
    chunks: BTreeMap<u64, (String, u64, Instant)>,
    next_ticket: u64,
}

impl Tally {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            in_hand: Mutex::default(),
            has_answered: AtomicBool::new(false),
            unsettled: AtomicU64::new(0),
        }
    }

    /// Notes that work on `chunk` begins; the guard's end is the end of the work.
    pub(crate) fn begin(&self, chunk: &Chunk) -> InHand<'_> {
        let mut hands = self.hands();
        hands.next_ticket += 1;
        let ticket = hands.next_ticket;
        let entry = (chunk.job_id.clone(), chunk.seq, Instant::now());
        hands.chunks.insert(ticket, entry);
        self.metrics.in_hand.inc();
        InHand {
            tally: self,
            ticket,
        }
    }

    /// So many deliveries are here and not settled.
    pub(crate) fn set_unsettled(&self, deliveries: usize) {
        self.unsettled.store(deliveries as u64, Relaxed);
    }

    pub(crate) fn unsettled(&self) -> u64 {
        self.unsettled.load(Relaxed)
    }

    /// The broker has confirmed an answer.
    pub(crate) fn answered(&self) {
        self.has_answered.store(true, Relaxed);
    }

    /// Whether the broker has confirmed an answer to any chunk.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Relaxed)
    }

    pub(crate) fn done(&self, result: &ChunkResult) {
        self.metrics.chunks.inc();
        self.metrics.rows.inc_by(result.rows);
        self.metrics.bytes.inc_by(result.bytes);
        self.metrics.rejects.inc_by(result.rejected);
    }

    /// The chunks in hand, longest first.
    pub(crate) fn in_hand(&self) -> Vec<ChunkInHand> {
        let hands = self.hands();
        let named = hands.chunks.values().take(NAMED_AT_MOST);
        named
            .map(|(job_id, seq, since)| ChunkInHand {
                job_id: job_id.clone(),
                seq: *seq,
                running_ms: since.elapsed().as_millis() as u64,
            })
            .collect()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        // They are whole between any two instructions that could panic.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.tally.hands().chunks.remove(&self.ticket);
        self.tally.metrics.in_hand.dec();
    }
}
