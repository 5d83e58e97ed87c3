//! The state of each chunk of a job, kept while a dashboard shows it, and summarized into the cells of a chunk map.

use std::collections::HashSet;

use proto::v1::{ChunkCell, ChunkMap};

use crate::message::JobMessage;

/// The most cells of a map.
const MAX_CELLS: u64 = 1024;

/// The state of one chunk. Which chunks are in flight is known from heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkState {
    Waiting,
    Done,
    /// At a later attempt than the first.
    Retried,
    Dead,
}

impl ChunkState {
    /// The state of a chunk that was done at this attempt, from 1.
    pub(crate) fn done_at(attempt: u32) -> Self {
        if attempt > 1 {
            Self::Retried
        } else {
            Self::Done
        }
    }
}

/// The states of a job's chunks.
#[derive(Debug, Default)]
pub(crate) struct ChunkStates {
    states: Vec<ChunkState>,
    retried: u64,
}

impl ChunkStates {
    /// Applies a committed message. A duplicate changes nothing: a chunk that is done stays done.
    pub(crate) fn add(&mut self, message: &JobMessage) {
        match message {
            JobMessage::Result(_, result) => {
                self.set(result.seq, ChunkState::done_at(result.attempt));
            }
            JobMessage::Failure(_, failure) if failure.is_parked => {}
            JobMessage::Failure(_, failure) => {
                let seq = failure.chunk.seq;
                if !matches!(self.state(seq), ChunkState::Done | ChunkState::Retried) {
                    self.set(seq, ChunkState::Dead);
                }
            }
            JobMessage::Open(..) | JobMessage::Seal(..) => {}
        }
    }

    fn state(&self, seq: u64) -> ChunkState {
        let at = usize::try_from(seq).unwrap_or(usize::MAX);
        self.states.get(at).copied().unwrap_or(ChunkState::Waiting)
    }

    /// Sets the state of a chunk.
    pub(crate) fn set(&mut self, seq: u64, state: ChunkState) {
        // Ignore numbers that no real job has: they would only cost memory.
        let Some(at) = usize::try_from(seq).ok().filter(|&at| at < MAX_CHUNKS) else {
            return;
        };
        if at >= self.states.len() {
            self.states.resize(at + 1, ChunkState::Waiting);
        }
        let old = std::mem::replace(&mut self.states[at], state);
        self.retried -= u64::from(old == ChunkState::Retried);
        self.retried += u64::from(state == ChunkState::Retried);
    }

    /// Summarizes the states. `total`: the job's number of chunks, if known; `running`: the chunks in flight.
    pub(crate) fn map(&self, total: Option<u64>, running: &HashSet<u64>) -> ChunkMap {
        let last_running = running.iter().max().map_or(0, |seq| seq.saturating_add(1));
        let heard = (self.states.len() as u64).max(last_running.min(MAX_CHUNKS as u64));
        let chunks = total.map_or(heard, |total| total.min(MAX_CHUNKS as u64));
        let per_cell = chunks.div_ceil(MAX_CELLS).max(1);
        let cells = (0..chunks.div_ceil(per_cell)).map(|cell| {
            let seqs = cell * per_cell..chunks.min((cell + 1) * per_cell);
            self.cell(seqs, running) as u8
        });
        ChunkMap {
            chunks,
            per_cell,
            cells: cells.collect(),
            running: running.len() as u64,
            retried: self.retried,
        }
    }

    fn cell(&self, seqs: std::ops::Range<u64>, running: &HashSet<u64>) -> ChunkCell {
        let (mut waiting, mut done, mut retried, mut runs) = (false, false, false, false);
        for seq in seqs {
            match self.states.get(seq as usize) {
                Some(ChunkState::Dead) => return ChunkCell::Dead,
                Some(ChunkState::Done) => done = true,
                Some(ChunkState::Retried) => (done, retried) = (true, true),
                Some(ChunkState::Waiting) | None if running.contains(&seq) => runs = true,
                Some(ChunkState::Waiting) | None => waiting = true,
            }
        }
        match (runs, done, waiting) {
            (true, ..) => ChunkCell::Running,
            (false, false, _) => ChunkCell::Waiting,
            (false, true, true) => ChunkCell::Partly,
            (false, true, false) if retried => ChunkCell::Retried,
            (false, true, false) => ChunkCell::Done,
        }
    }
}

/// The most chunks that are tracked: a byte each.
const MAX_CHUNKS: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use ChunkCell::{Dead, Done, Partly, Retried, Running, Waiting};

    use super::*;

    fn cells(map: &ChunkMap) -> Vec<ChunkCell> {
        let cell = |&cell: &u8| ChunkCell::try_from(i32::from(cell)).unwrap();
        map.cells.iter().map(cell).collect()
    }

    #[test]
    fn every_chunk_has_a_cell_while_there_is_room() {
        let mut chunks = ChunkStates::default();
        chunks.set(0, ChunkState::Done);
        chunks.set(3, ChunkState::Dead);
        chunks.set(1, ChunkState::Retried);
        let map = chunks.map(Some(6), &[4, 0].into());
        assert_eq!((map.chunks, map.per_cell, map.retried), (6, 1, 1));
        assert_eq!(
            cells(&map),
            [Done, Retried, Waiting, Dead, Running, Waiting]
        );
        // The dead chunk was replayed, and is done.
        chunks.set(3, ChunkState::Done);
        assert_eq!(cells(&chunks.map(None, &HashSet::new()))[3], Done);
        assert_eq!(chunks.map(None, &HashSet::new()).chunks, 4);
    }

    #[test]
    fn many_chunks_share_cells_and_what_is_worst_is_seen() {
        let mut chunks = ChunkStates::default();
        for seq in 0..5000 {
            chunks.set(seq, ChunkState::Done);
        }
        chunks.set(4999, ChunkState::Dead);
        chunks.set(0, ChunkState::Waiting);
        chunks.set(5, ChunkState::Retried);
        let map = chunks.map(Some(5001), &HashSet::new());
        let cells = cells(&map);
        assert_eq!((map.per_cell, cells.len()), (5, 1001));
        assert_eq!(cells[0], Partly);
        assert_eq!(cells[1], Retried);
        assert_eq!(cells[2], Done);
        assert_eq!(cells[999], Dead);
        assert_eq!(cells[1000], Waiting);
    }

    #[test]
    fn a_number_that_no_job_can_have_costs_nothing() {
        let mut chunks = ChunkStates::default();
        chunks.set(u64::MAX, ChunkState::Dead);
        let map = chunks.map(None, &[u64::MAX].into());
        assert!(map.cells.len() as u64 <= MAX_CELLS && map.chunks <= MAX_CHUNKS as u64);
        let all = chunks.map(Some(u64::MAX), &HashSet::new());
        assert!(all.cells.len() as u64 <= MAX_CELLS);
    }
}
