//! Counters of the work done and the running chunks, which heartbeats report.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::v1::{Chunk, ChunkInHand, ChunkResult};

use crate::metrics::Metrics;

/// At most this many running chunks are listed in a heartbeat.
const NAMED_AT_MOST: usize = 16;

/// Counters since the start, and the running chunks. The lock is held for a few instructions, never across an await.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) metrics: Metrics,
    running: Mutex<RunningChunks>,
    /// Whether the broker has confirmed any disposition.
    has_confirmed: AtomicBool,
    /// Deliveries that are not settled.
    unsettled: AtomicU64,
}

/// The running chunks in the order of their start: job, seq and start time.
#[derive(Debug, Default)]
struct RunningChunks {
    chunks: BTreeMap<u64, (String, u64, Instant)>,
    next_id: u64,
}

impl Counters {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            running: Mutex::default(),
            has_confirmed: AtomicBool::new(false),
            unsettled: AtomicU64::new(0),
        }
    }

    /// Counts `chunk` as running until the guard is dropped.
    pub(crate) fn start_chunk(self: &Arc<Self>, chunk: &Chunk) -> RunningGuard {
        let mut running = self.lock();
        running.next_id += 1;
        let id = running.next_id;
        let entry = (chunk.job_id.clone(), chunk.seq, Instant::now());
        running.chunks.insert(id, entry);
        self.metrics.running.inc();
        drop(running);
        RunningGuard {
            counters: Arc::clone(self),
            id,
        }
    }

    /// Sets the number of unsettled deliveries.
    pub(crate) fn set_unsettled(&self, deliveries: usize) {
        self.unsettled.store(deliveries as u64, Relaxed);
    }

    pub(crate) fn unsettled(&self) -> u64 {
        self.unsettled.load(Relaxed)
    }

    /// Notes that the broker has confirmed a disposition.
    pub(crate) fn confirmed(&self) {
        self.has_confirmed.store(true, Relaxed);
    }

    /// Whether the broker has confirmed any disposition.
    pub(crate) fn has_confirmed(&self) -> bool {
        self.has_confirmed.load(Relaxed)
    }

    pub(crate) fn attempt_succeeded(&self, result: &ChunkResult) {
        self.metrics.chunks.inc();
        self.metrics.rows.inc_by(result.rows);
        self.metrics.bytes.inc_by(result.bytes);
        self.metrics.rejects.inc_by(result.rejected);
    }

    /// The running chunks, the longest-running first.
    pub(crate) fn running_chunks(&self) -> Vec<ChunkInHand> {
        let running = self.lock();
        let named = running.chunks.values().take(NAMED_AT_MOST);
        named
            .map(|(job_id, seq, since)| ChunkInHand {
                job_id: job_id.clone(),
                seq: *seq,
                running_ms: since.elapsed().as_millis() as u64,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, RunningChunks> {
        // Valid between any two instructions that could panic.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a chunk as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningGuard {
    counters: Arc<Counters>,
    id: u64,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.counters.lock().chunks.remove(&self.id);
        self.counters.metrics.running.dec();
    }
}
