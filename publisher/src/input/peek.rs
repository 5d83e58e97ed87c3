//! A reader that can peek.

use std::io::{self, Read};

/// Bytes read at once while peeking.
const STEP_BYTES: usize = 64 << 10;

/// A reader whose next bytes can be inspected before they are consumed.
pub(crate) struct PeekReader<R> {
    /// Bytes that are read and not consumed.
    seen: Vec<u8>,
    /// The position in `seen` of the first such byte.
    at: usize,
    ended: bool,
    rest: R,
}

impl<R: Read> PeekReader<R> {
    pub(crate) fn new(rest: R) -> Self {
        Self {
            seen: Vec::new(),
            at: 0,
            ended: false,
            rest,
        }
    }

    /// The next `bytes`, or fewer at the end of the input. Bytes that were peeked at are not read again.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        self.seen.drain(..self.at);
        self.at = 0;
        while self.seen.len() < bytes && !self.ended {
            let known = self.seen.len();
            self.seen.resize(known + STEP_BYTES.min(bytes - known), 0);
            let read = read_once(&mut self.rest, &mut self.seen[known..]);
            self.seen.truncate(known + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok(&self.seen[..self.seen.len().min(bytes)])
    }

    /// Consumes the first `bytes` of the peeked ones.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.seen.len());
    }

    pub(crate) fn rest_mut(&mut self) -> &mut R {
        &mut self.rest
    }

    /// Discards the peeked bytes, after the inner reader has sought.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
        self.at = 0;
        self.ended = false;
    }
}

impl<R: Read> Read for PeekReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at < self.seen.len() {
            let bytes = into.len().min(self.seen.len() - self.at);
            into[..bytes].copy_from_slice(&self.seen[self.at..self.at + bytes]);
            self.at += bytes;
            return Ok(bytes);
        }
        if self.seen.capacity() > 0 {
            self.seen = Vec::new(); // it will not be needed again
            self.at = 0;
        }
        if self.ended {
            return Ok(0);
        }
        self.rest.read(into)
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
    fn what_was_peeked_at_is_read_once() {
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
