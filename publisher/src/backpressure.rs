//! Limits the number of chunks in flight between the publisher and the reader of their rows. Without the limit, a slow
//! reader would let a filter read all of its input and fill the disks of the broker and the master.
//!
//! A chunk is in flight from the moment it is admitted until it is released: its rows were read, or it will have none.
//! Chunks are admitted in order and released in any order. A release never depends on a chunk that is not admitted yet,
//! so there is no deadlock.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::progress::Progress;

/// The chunks in flight of one publish, and their limit.
#[derive(Debug)]
pub struct Backpressure {
    max_chunks: usize,
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The seq of the next chunk to admit.
    next: u64,
    in_flight: BTreeSet<u64>,
    /// Chunks released before they were admitted, because an earlier process had sent them.
    released_early: BTreeSet<u64>,
}

impl Backpressure {
    /// Allows at most `max_chunks` chunks in flight, and at least one.
    pub fn new(max_chunks: usize) -> Self {
        Self {
            max_chunks: max_chunks.max(1),
            state: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// Releases chunk `seq`. Repeated calls have no effect.
    pub fn release(&self, seq: u64) {
        let mut state = self.state();
        if seq >= state.next {
            state.released_early.insert(seq);
        } else if state.in_flight.remove(&seq) {
            self.released.notify_one();
        }
    }

    /// The first chunk to admit is `first`.
    pub(crate) fn begin(&self, first: u64) {
        let mut state = self.state();
        state.next = first;
        state.released_early.retain(|seq| *seq >= first);
    }

    /// Waits until the next chunk is admitted. Cancel-safe: if it is dropped, the chunk is not admitted.
    pub(crate) async fn wait_for_capacity(&self, progress: &Progress) {
        while !self.admit() {
            progress.set_waiting("waiting until rows are read");
            self.released.notified().await;
        }
    }

    fn admit(&self) -> bool {
        let mut state = self.state();
        if state.in_flight.len() >= self.max_chunks {
            return false;
        }
        let seq = state.next;
        state.next += 1;
        if !state.released_early.remove(&seq) {
            state.in_flight.insert(seq);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is safe: each change is one insertion or removal.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(backpressure: &Backpressure) -> usize {
        std::iter::from_fn(|| backpressure.admit().then_some(())).count()
    }

    #[test]
    fn the_limit_holds_whatever_the_order_of_releases() {
        let backpressure = Backpressure::new(3);
        assert_eq!(admitted(&backpressure), 3);
        backpressure.release(1);
        backpressure.release(1);
        assert_eq!(admitted(&backpressure), 1, "released twice counts once");
        for seq in [3, 0, 2] {
            backpressure.release(seq);
        }
        assert_eq!(admitted(&backpressure), 3);
        assert_eq!(admitted(&Backpressure::new(0)), 1);
    }

    #[test]
    fn a_chunk_of_an_earlier_process_may_be_released_before_it_is_admitted() {
        let backpressure = Backpressure::new(2);
        // Released before and after the first seq of this publish is known.
        backpressure.release(3);
        backpressure.release(11);
        backpressure.begin(10);
        backpressure.release(4);
        assert_eq!(admitted(&backpressure), 3, "11 is no longer in flight");
        assert!(backpressure.state().released_early.is_empty());
    }

    #[tokio::test]
    async fn a_chunk_waits_for_capacity() {
        let backpressure = Backpressure::new(1);
        let progress = Progress::default();
        assert!(backpressure.admit());
        let settling = async {
            while progress.waiting().is_none() {
                tokio::task::yield_now().await;
            }
            backpressure.release(0);
        };
        tokio::join!(backpressure.wait_for_capacity(&progress), settling);
        assert_eq!(backpressure.state().next, 2);
    }
}
