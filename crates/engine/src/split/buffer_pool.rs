//! Buffers for input. A buffer is reused when all pieces that were cut from it are dropped, because the system has to
//! clear fresh memory, page by page.

use bytes::BytesMut;

/// The maximum number of allocations in the pool. They include those of pieces in flight, so the pool holds hardly more
/// memory than the pieces do anyway.
const MAX_POOLED: usize = 64;

/// Handles of allocations that pieces were cut from.
#[derive(Debug, Default)]
pub(super) struct BufferPool {
    used: Vec<BytesMut>,
}

impl BufferPool {
    /// Moves `buffer` to an allocation of at least `bytes`.
    pub(super) fn enlarge(&mut self, buffer: &mut BytesMut, bytes: usize) {
        if buffer.try_reclaim(bytes.saturating_sub(buffer.len())) {
            return;
        }
        let mut larger = self.take(bytes);
        larger.extend_from_slice(buffer);
        let mut used = std::mem::replace(buffer, larger);
        used.clear();
        if self.used.len() == MAX_POOLED {
            self.used.remove(0);
        }
        self.used.push(used);
    }

    /// An allocation without pieces, else a fresh one.
    fn take(&mut self, bytes: usize) -> BytesMut {
        let mut used = self.used.iter_mut();
        match used.position(|used| used.try_reclaim(bytes)) {
            Some(at) => self.used.swap_remove(at),
            None => BytesMut::with_capacity(bytes),
        }
    }
}
