//! The end of a session: the broker redelivers the chunks in flight.

use super::in_flight::{ChunkState, InFlight};
use super::state::Scheduler;

/// At most this many revoked chunks are remembered until they are redelivered.
const REVOKED_CAPACITY: usize = 100;

impl<T> Scheduler<T> {
    /// Remembers the chunk to be counted: among the running chunks, the one held longest is the one that the broker
    /// revoked.
    pub(super) fn remember_revoked(&mut self) {
        let has_started = |entry: &InFlight<T>| {
            matches!(entry.state, ChunkState::Running | ChunkState::BackingOff)
        };
        let in_flight = self.in_flight.iter();
        let started = in_flight.filter(|(_, entry)| has_started(entry));
        let oldest = started.min_by_key(|(ticket, entry)| (entry.delivered_at, **ticket));
        let Some(key) = oldest.map(|(_, entry)| entry.info.message_key()) else {
            return;
        };
        if !self.revoked.contains(&key) {
            self.revoked.push_back(key);
        }
        if self.revoked.len() > REVOKED_CAPACITY {
            self.revoked.pop_front();
        }
    }

    /// A thread that still runs ends by itself and its result is discarded: the next session starts with every slot
    /// except those of hanging threads.
    pub(super) fn on_session_lost(&mut self) {
        self.queue.clear();
        self.on_retry_empty();
        for (_, entry) in self.in_flight.drain() {
            self.free_slots += entry.slots_held;
        }
    }
}
