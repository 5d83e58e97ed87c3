//! The rows of one chunk, from the job's file of them, in slices of what one message carries. This is
//! the one place that decides which bytes of a chunk's output are sent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use engine::output::{Sieve, UnpackError, Unpacking};

use crate::store::OutputPlace;

/// Bytes of one slice: well below what a gRPC message may have, and all that a reader holds.
const SLICE: usize = 1 << 20;

/// What is left to send of a chunk's rows.
#[derive(Debug)]
pub(crate) struct Slices {
    unpacking: Unpacking<Part>,
    sieve: Sieve,
    /// What was read and is to be sent before more is read.
    read: Bytes,
}

/// Some bytes of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Slices {
    /// The rows at `place` that are not left out, without the first `skip` bytes of them.
    pub(crate) fn open(
        file: Arc<File>,
        place: &OutputPlace,
        skip: u64,
    ) -> Result<Self, UnpackError> {
        let part = Part {
            file,
            at: place.offset,
            end: place.offset + place.bytes,
        };
        let unpacking = Unpacking::new(&place.output, part, place.bytes, place.seq)?;
        let mut slices = Self {
            unpacking,
            sieve: Sieve::new(place.left_out.clone()),
            read: Bytes::new(),
        };
        let mut left = skip as usize;
        while left > 0 && !slices.unpacking.is_over() {
            slices.read = slices.more()?;
            let passed = slices.read.split_to(left.min(slices.read.len()));
            left -= passed.len();
        }
        Ok(slices)
    }

    /// The next slice, and whether it is the last.
    pub(crate) fn next(&mut self) -> Result<(Bytes, bool), UnpackError> {
        let slice = if self.read.is_empty() && !self.unpacking.is_over() {
            self.more()?
        } else {
            std::mem::take(&mut self.read)
        };
        Ok((slice, self.unpacking.is_over()))
    }

    fn more(&mut self) -> Result<Bytes, UnpackError> {
        let piece = self.unpacking.next(SLICE)?;
        Ok(self.sieve.pass(piece))
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min((self.end - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
