//! Deduplicates chunks: a redelivered chunk that this worker finished lately is acknowledged without running again. A
//! chunk that the cache has evicted runs again; the master ignores the second result.
//!
//! The key is the chunk's id and the creation time of its message. The broker redelivers a message with the same time,
//! and so does a publisher that sends an unconfirmed message again. A message with another time replaces a lost one, so
//! its chunk runs again.

use std::collections::{HashSet, VecDeque};

use proto::ChunkId;

/// Remembers the last `capacity` chunks.
#[derive(Debug)]
pub(crate) struct DedupCache {
    capacity: usize,
    order: VecDeque<MessageKey>,
    keys: HashSet<MessageKey>,
}

/// A chunk, and the creation time of its message, milliseconds since 1970.
pub(crate) type MessageKey = (ChunkId, u64);

impl DedupCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            order: VecDeque::new(),
            keys: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, key: MessageKey) -> bool {
        self.keys.contains(&key)
    }

    /// Adds `key`, and evicts the oldest key beyond the capacity.
    pub(crate) fn insert(&mut self, key: MessageKey) {
        if !self.keys.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::JobId;

    use super::*;

    #[test]
    fn the_oldest_is_evicted_first_and_memory_is_bounded() {
        let job = JobId::new();
        let mut dedup_cache = DedupCache::new(2);
        for seq in [0, 1, 1, 2] {
            dedup_cache.insert((job.chunk(seq), 7));
        }
        assert!(!dedup_cache.contains((job.chunk(0), 7)));
        assert!(dedup_cache.contains((job.chunk(1), 7)) && dedup_cache.contains((job.chunk(2), 7)));
        assert_eq!((dedup_cache.order.len(), dedup_cache.keys.len()), (2, 2));
    }
}
