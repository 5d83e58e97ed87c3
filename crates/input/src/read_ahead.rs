//! Reads ahead on a thread, so that decompression and splitting run in parallel.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::peek::read_once;

/// The size and number of blocks in the channel. If it is full, the thread waits, which bounds the memory.
const BLOCK_BYTES: usize = 256 << 10;
const BLOCKS: usize = 4;

/// A block; an empty one marks the end.
type Block = io::Result<Vec<u8>>;

/// The reading end. The thread ends at the end of the input, on an error, or when this is dropped.
pub(crate) struct ReadAhead {
    blocks: Receiver<Block>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl ReadAhead {
    /// Starts to read `from`.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(crate) fn new(from: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS);
        let thread = std::thread::Builder::new().name("decompress".to_owned());
        thread.spawn(move || read_all(from, &sender))?;
        Ok(Self {
            blocks,
            block: Vec::new(),
            at: 0,
            ended: false,
        })
    }
}

fn read_all(mut from: impl Read, blocks: &SyncSender<Block>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = read_once(&mut from, &mut block);
        let is_last = !matches!(read, Ok(1..));
        let block = read.map(|bytes| {
            block.truncate(bytes);
            block
        });
        if blocks.send(block).is_err() || is_last {
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.ended {
            let block = self.blocks.recv();
            self.block = block.map_err(|_| io::Error::other("decompressing it panicked"))??;
            self.at = 0;
            self.ended = self.block.is_empty();
        }
        let bytes = into.len().min(self.block.len() - self.at);
        into[..bytes].copy_from_slice(&self.block[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `good` bytes, then fails once, and then reports the end.
    struct Failing {
        good: usize,
        failed: bool,
    }

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = into.len().min(self.good);
            self.good -= bytes;
            if bytes == 0 && !std::mem::replace(&mut self.failed, true) {
                return Err(io::Error::other("bad sector"));
            }
            into[..bytes].fill(b'x');
            Ok(bytes)
        }
    }

    #[test]
    fn everything_comes_in_order_and_an_error_comes_behind_what_was_read_before_it() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        let mut read = Vec::new();
        ReadAhead::new(io::Cursor::new(bytes.clone()))
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert!(read == bytes);

        let mut read = Vec::new();
        let failing = Failing {
            good: 700_001,
            failed: false,
        };
        let error = ReadAhead::new(failing)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap_err();
        assert_eq!(
            (read.len(), error.to_string().as_str()),
            (700_001, "bad sector")
        );
    }
}
