//! Where input is read into: memory that is used again once the pieces cut from it are gone, since
//! fresh memory has to be cleared by the system first, page by page.

use bytes::BytesMut;

/// At most so many allocations are remembered. Those of pieces still on their way are among them, so
/// that they are hardly more than what the pieces hold anyway.
const MAX_POOLED: usize = 64;

/// Handles on allocations that pieces were cut from.
#[derive(Debug, Default)]
pub(super) struct BufferPool {
    used: Vec<BytesMut>,
}

impl BufferPool {
    /// Moves `buffer` to memory of at least `bytes`.
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

    /// BufferPool whose pieces are gone, else fresh memory.
    fn take(&mut self, bytes: usize) -> BytesMut {
        let mut used = self.used.iter_mut();
        match used.position(|used| used.try_reclaim(bytes)) {
            Some(at) => self.used.swap_remove(at),
            None => BytesMut::with_capacity(bytes),
        }
    }
}
