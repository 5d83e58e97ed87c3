//! The rows of one chunk, from the job's file of them, in slices of what one message carries. This is
//! the one place that decides which bytes of a chunk's output are sent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use engine::output::{UnpackError, Unpacking};

use crate::store::OutputPlace;

/// Bytes of one slice: well below what a gRPC message may have, and all that a reader holds.
const SLICE: usize = 1 << 20;

/// What is left to send of a chunk's rows.
#[derive(Debug)]
pub(crate) struct Slices(Unpacking<Part>);

/// Some bytes of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Slices {
    /// The rows at `place`, without the first `skip` bytes.
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
        let mut unpacking = Unpacking::new(&place.output, part, place.bytes, place.seq)?;
        let mut left = skip;
        while left > 0 && !unpacking.is_over() {
            let passed = unpacking.next(left.min(SLICE as u64) as usize)?;
            left -= passed.len() as u64;
        }
        Ok(Self(unpacking))
    }

    /// The next slice, and whether it is the last.
    pub(crate) fn next(&mut self) -> Result<(Bytes, bool), UnpackError> {
        let slice = self.0.next(SLICE)?;
        Ok((slice, self.0.is_over()))
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
