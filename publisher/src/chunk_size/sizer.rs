//! Computes the size of the next chunks from the time that the last ones took. No I/O.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use proto::v1::ChunkSums;

/// The time for which chunks are sized, microseconds: half of the time that a chunk may take.
const AIM_US: u64 = 250_000;
/// A chunk that takes longer than this is too large, microseconds.
const MAX_US: u64 = 1_000_000;
/// The largest size, unless the rows that a command writes are not known: it may write 15 MiB for a chunk.
const MAX_BYTES: usize = 4 << 20;
const MAX_BYTES_WITHOUT_ROWS: usize = 1 << 20;
/// The size of the output at which chunks no longer grow: a third of what is allowed, and more than the largest chunk.
const MAX_OUTPUT_BYTES: u64 = 5 << 20;
/// The largest growth at a time: the last chunks may have been unusually cheap.
const MAX_GROWTH: usize = 8;

/// The size of a job's chunks, shared with the reader of its input.
#[derive(Debug)]
pub struct ChunkSizer {
    min_bytes: usize,
    max_bytes: usize,
    target_bytes: Arc<AtomicUsize>,
    last: Mutex<ChunkSums>,
}

impl ChunkSizer {
    /// Starts with `min_bytes`, which is the smallest size. `no_rows`: the rows that the command writes are not sent.
    pub(crate) fn new(min_bytes: usize, no_rows: bool) -> Self {
        let max_bytes = if no_rows {
            MAX_BYTES_WITHOUT_ROWS
        } else {
            MAX_BYTES
        };
        Self {
            min_bytes,
            max_bytes,
            target_bytes: Arc::new(AtomicUsize::new(min_bytes)),
            last: Mutex::default(),
        }
    }

    /// The current size, for the reader.
    pub(crate) fn target_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.target_bytes)
    }

    /// Takes the sums over all results so far; the size follows from the results since the last call.
    pub(crate) fn observe(&self, sums: ChunkSums) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *last, sums);
        // A restarted master begins with zero.
        let Some(chunks) = sums.chunks.checked_sub(last.chunks).filter(|new| *new > 0) else {
            return;
        };
        let mean = |now: u64, before: u64| now.saturating_sub(before) / chunks;
        let now = self.target_bytes.load(Relaxed);
        let next = self.next(
            now,
            mean(sums.bytes, last.bytes),
            mean(sums.compute_us, last.compute_us),
            mean(sums.output_bytes, last.output_bytes),
        );
        if next != now {
            tracing::debug!(chunk_bytes = next, "the size of chunks changes");
            self.target_bytes.store(next, Relaxed);
        }
    }

    /// The next size, from the means of the last chunks: their size, their time and the size of their output. It
    /// changes by powers of two, so that it settles.
    fn next(&self, now: usize, bytes: u64, compute_us: u64, output_bytes: u64) -> usize {
        // The last chunk of a small input says little about the time for each byte.
        if bytes == 0 {
            return now;
        }
        let fitting = |limit: u64, used: u64| bytes.saturating_mul(limit) / used.max(1);
        let of_time = fitting(AIM_US, compute_us);
        let of_output = fitting(MAX_OUTPUT_BYTES, output_bytes);
        let ideal = usize::try_from(of_time.min(of_output)).unwrap_or(usize::MAX);
        let (mut next, is_too_large) =
            (now, compute_us > MAX_US || output_bytes > MAX_OUTPUT_BYTES);
        while is_too_large && next > ideal && next / 2 >= self.min_bytes {
            next /= 2;
        }
        let most = ideal
            .min(self.max_bytes)
            .min(now.saturating_mul(MAX_GROWTH));
        while next <= most / 2 {
            next *= 2;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: usize = 64 << 10;

    /// Chunks of the current size, which take `us_per_kib` and `us_per_chunk` and write `output` percent of their size.
    fn run(sizer: &ChunkSizer, us_per_chunk: u64, us_per_kib: u64, output: u64) -> usize {
        let mut sums = *sizer.last.lock().unwrap();
        for _ in 0..40 {
            let bytes = sizer.target_bytes.load(Relaxed) as u64;
            sums.chunks += 3;
            sums.bytes += 3 * bytes;
            sums.compute_us += 3 * (us_per_chunk + bytes * us_per_kib / 1024);
            sums.output_bytes += 3 * bytes * output / 100;
            sizer.observe(sums);
        }
        sizer.target_bytes.load(Relaxed)
    }

    #[test]
    fn cheap_chunks_grow_to_the_largest_size_and_slow_ones_stay_small() {
        assert_eq!(run(&ChunkSizer::new(START, false), 2000, 5, 100), 4 << 20);
        assert_eq!(run(&ChunkSizer::new(START, true), 2000, 5, 0), 1 << 20);
        // 4 s for a chunk of the first size.
        assert_eq!(run(&ChunkSizer::new(START, false), 0, 64_000, 100), START);
    }

    #[test]
    fn chunks_take_less_than_half_a_second() {
        for us_per_kib in [10, 100, 300, 1000, 3000] {
            let bytes = run(&ChunkSizer::new(START, false), 50, us_per_kib, 100);
            assert!(bytes as u64 * us_per_kib / 1024 <= 500_000);
            let is_largest = bytes == 4 << 20;
            assert!(is_largest || bytes as u64 * us_per_kib / 1024 > 100_000);
        }
    }

    #[test]
    fn a_command_that_becomes_slow_or_writes_much_gets_smaller_chunks() {
        let sizer = ChunkSizer::new(START, false);
        assert_eq!(run(&sizer, 2000, 5, 100), 4 << 20);
        let bytes = run(&sizer, 0, 2000, 100);
        assert!((START..=512 << 10).contains(&bytes), "{bytes}");
        // 15 MiB would be refused.
        let bytes = run(&ChunkSizer::new(START, false), 2000, 5, 2000);
        assert!(bytes * 20 <= 5 << 20, "{bytes}");
    }

    #[test]
    fn it_grows_by_eight_at_most_and_ignores_a_restart_of_the_master() {
        let sizer = ChunkSizer::new(START, false);
        let sums = |chunks, bytes, compute_us| ChunkSums {
            chunks,
            bytes,
            compute_us,
            output_bytes: 0,
        };
        sizer.observe(sums(1, START as u64, 10));
        assert_eq!(sizer.target_bytes.load(Relaxed), 8 * START);
        sizer.observe(sums(0, 0, 0));
        assert_eq!(sizer.target_bytes.load(Relaxed), 8 * START);
    }
}
