//! The compressed input of a decoder.

use std::io::{self, BufRead, Read};

use crate::compression::MAGIC_BYTES;
use crate::peek::read_once;

/// Bytes read at once.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// The compressed input of a decoder. The decoder consumes exactly its own bytes, so the next ones can be inspected.
pub(crate) struct CompressedReader<R> {
    from: R,
    block: Box<[u8]>,
    /// The range of `block` that is read and not consumed.
    at: usize,
    end: usize,
    /// Bytes consumed in all.
    pub(crate) consumed: u64,
    /// Whether a read failed.
    pub(crate) has_failed: bool,
}

impl<R: Read> CompressedReader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            block: vec![0; BLOCK_BYTES].into(),
            at: 0,
            end: 0,
            consumed: 0,
            has_failed: false,
        }
    }

    /// Reads more bytes behind the current ones. Returns 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        self.block.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        let read = read_once(&mut self.from, &mut self.block[self.end..]);
        self.has_failed |= read.is_err();
        let bytes = read?;
        self.end += bytes;
        Ok(bytes)
    }

    /// The next [`MAGIC_BYTES`], or fewer at the end of the input.
    fn peek(&mut self) -> io::Result<&[u8]> {
        while self.end - self.at < MAGIC_BYTES && self.fill()? > 0 {}
        let end = self.end.min(self.at + MAGIC_BYTES);
        Ok(&self.block[self.at..end])
    }

    /// Consumes zeros, and returns the bytes behind them.
    pub(crate) fn skip_zeros(&mut self) -> io::Result<&[u8]> {
        loop {
            let next = self.fill_buf()?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            let is_end = zeros < next.len() || next.is_empty();
            self.consume(zeros);
            if is_end {
                return self.peek();
            }
        }
    }

    /// Consumes the rest, or at least `most` bytes.
    pub(crate) fn skip(&mut self, most: u64) -> io::Result<()> {
        let end = self.consumed.saturating_add(most);
        while self.consumed < end {
            let bytes = self.fill_buf()?.len();
            if bytes == 0 {
                break;
            }
            self.consume(bytes);
        }
        Ok(())
    }
}

impl<R: Read> Read for CompressedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

impl<R: Read> BufRead for CompressedReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end {
            self.fill()?;
        }
        Ok(&self.block[self.at..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.at);
        self.at += bytes;
        self.consumed += bytes as u64;
    }
}
