//! A reader that can peek.

use std::io::{self, Read};

/// Bytes read at once while peeking.
const STEP_BYTES: usize = 64 << 10;

/// A reader whose next bytes can be inspected before they are consumed.
pub(crate) struct PeekReader<R> {
    /// Bytes that are read and not consumed.
    peeked: Vec<u8>,
    /// The position in `peeked` of the first such byte.
    at: usize,
    ended: bool,
    inner: R,
}

impl<R: Read> PeekReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            peeked: Vec::new(),
            at: 0,
            ended: false,
            inner,
        }
    }

    /// The next `bytes`, or fewer at the end of the input. Bytes that were peeked at are not read again.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        self.peeked.drain(..self.at);
        self.at = 0;
        while self.peeked.len() < bytes && !self.ended {
            let known = self.peeked.len();
            self.peeked.resize(known + STEP_BYTES.min(bytes - known), 0);
            let read = read_once(&mut self.inner, &mut self.peeked[known..]);
            self.peeked.truncate(known + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok(&self.peeked[..self.peeked.len().min(bytes)])
    }

    /// Consumes the first `bytes` of the peeked ones.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.peeked.len());
    }

    pub(crate) fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Discards the peeked bytes, after the inner reader has sought.
    pub(crate) fn discard(&mut self) {
        self.peeked.clear();
        self.at = 0;
        self.ended = false;
    }
}

impl<R: Read> Read for PeekReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at < self.peeked.len() {
            let bytes = into.len().min(self.peeked.len() - self.at);
            into[..bytes].copy_from_slice(&self.peeked[self.at..self.at + bytes]);
            self.at += bytes;
            return Ok(bytes);
        }
        if self.peeked.capacity() > 0 {
            self.peeked = Vec::new(); // it will not be needed again
            self.at = 0;
        }
        if self.ended {
            return Ok(0);
        }
        self.inner.read(into)
    }
}

/// Like `read`, but retries interrupted reads.
pub(crate) fn read_once(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peeked_bytes_are_read_once() {
        let mut peek = PeekReader::new(&b"header,and rows"[..]);
        assert_eq!(peek.peek(3).unwrap(), b"hea");
        assert_eq!(peek.peek(6).unwrap(), b"header");
        peek.consume(2);
        assert_eq!(peek.peek(4).unwrap(), b"ader");
        let mut all = String::new();
        peek.read_to_string(&mut all).unwrap();
        assert_eq!(all, "ader,and rows");
        assert_eq!(peek.peek(4).unwrap(), b"");
    }
}
