//! How far a publish may be ahead of whoever takes what comes of it: so many chunks. Without this a
//! filter whose reader is slow would read all of its input, and leave it to the broker's disk and the
//! master's.
//!
//! A chunk counts from when it is let through until it is settled: its rows are taken, or none ever
//! come. Chunks are let through in their order and settled in any, and whoever settles needs nothing
//! of what is held back, so that nothing waits in a circle.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::input::Found;
use crate::progress::Progress;

/// The chunks of one publish that are not settled, and how many there may be.
#[derive(Debug)]
pub struct Ahead {
    most: usize,
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The next chunk to be let through.
    next: u64,
    under_way: BTreeSet<u64>,
    /// Settled before they were let through: an earlier process had sent them.
    early: BTreeSet<u64>,
}

impl Ahead {
    /// At most `most` chunks, and one in any case.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            state: Mutex::default(),
            settled: Notify::new(),
        }
    }

    /// Nothing further comes of chunk `seq`. Once is enough; more has no effect.
    pub fn settle(&self, seq: u64) {
        let mut state = self.state();
        if seq >= state.next {
            state.early.insert(seq);
        } else if state.under_way.remove(&seq) {
            self.settled.notify_one();
        }
    }

    /// Lets `found` through to `out`, each chunk when there is room for it; the first is chunk
    /// `first`. Ends with either of the two.
    pub(crate) async fn pass(
        &self,
        first: u64,
        mut found: mpsc::Receiver<Found>,
        out: mpsc::Sender<Found>,
        progress: &Progress,
    ) {
        self.begin(first);
        let passing = async {
            while let Some(next) = found.recv().await {
                if matches!(next, Found::Piece(_)) {
                    self.room(progress).await;
                }
                if out.send(next).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = passing => {}
            // Where nothing further is taken, nobody waits for room, or for input.
            () = out.closed() => {}
        }
    }

    fn begin(&self, first: u64) {
        let mut state = self.state();
        state.next = first;
        state.early.retain(|seq| *seq >= first);
    }

    /// Waits until the next chunk may go, which then counts.
    async fn room(&self, progress: &Progress) {
        while !self.admit() {
            progress.wait_quietly("waiting until rows are taken");
            self.settled.notified().await;
        }
    }

    fn admit(&self) -> bool {
        let mut state = self.state();
        if state.under_way.len() >= self.most {
            return false;
        }
        let seq = state.next;
        state.next += 1;
        if !state.early.remove(&seq) {
            state.under_way.insert(seq);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever panicked left it whole: each change is one insertion or removal.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(ahead: &Ahead) -> usize {
        std::iter::from_fn(|| ahead.admit().then_some(())).count()
    }

    #[test]
    fn so_many_are_under_way_and_no_more_in_whatever_order_they_are_settled() {
        let ahead = Ahead::new(3);
        assert_eq!(admitted(&ahead), 3);
        ahead.settle(1);
        ahead.settle(1);
        assert_eq!(admitted(&ahead), 1, "settled twice counts once");
        for seq in [3, 0, 2] {
            ahead.settle(seq);
        }
        assert_eq!(admitted(&ahead), 3);
        assert_eq!(admitted(&Ahead::new(0)), 1);
    }

    #[test]
    fn what_an_earlier_process_sent_may_be_settled_before_it_is_let_through() {
        let ahead = Ahead::new(2);
        // Before it is known where this publish begins, and after.
        ahead.settle(3);
        ahead.settle(11);
        ahead.begin(10);
        ahead.settle(4);
        assert_eq!(admitted(&ahead), 3, "11 is under way no more");
        assert!(ahead.state().early.is_empty());
    }

    #[tokio::test]
    async fn a_chunk_waits_for_room_and_not_for_a_receiver_that_is_gone() {
        let ahead = Ahead::new(1);
        let progress = Progress::default();
        assert!(ahead.admit());
        let settling = async {
            while progress.waiting().is_none() {
                tokio::task::yield_now().await;
            }
            ahead.settle(0);
        };
        tokio::join!(ahead.room(&progress), settling);
        assert_eq!(ahead.state().next, 2);
    }
}
