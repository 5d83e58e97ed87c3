//! The chunks that this worker has finished lately: a redelivered one is acknowledged without being
//! run again. Forgetting one costs a second run, whose result the master ignores.

use std::collections::{HashSet, VecDeque};

use proto::ChunkId;

/// Remembers the last `capacity` ids.
#[derive(Debug)]
pub(crate) struct Finished {
    capacity: usize,
    order: VecDeque<ChunkId>,
    known: HashSet<ChunkId>,
}

impl Finished {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            order: VecDeque::new(),
            known: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, id: ChunkId) -> bool {
        self.known.contains(&id)
    }

    /// Remembers `id`, and forgets the oldest beyond the capacity.
    pub(crate) fn insert(&mut self, id: ChunkId) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::JobId;

    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_and_memory_is_bounded() {
        let job = JobId::new();
        let mut finished = Finished::new(2);
        for seq in [0, 1, 1, 2] {
            finished.insert(job.chunk(seq));
        }
        assert!(!finished.contains(job.chunk(0)));
        assert!(finished.contains(job.chunk(1)) && finished.contains(job.chunk(2)));
        assert_eq!((finished.order.len(), finished.known.len()), (2, 2));
    }
}
