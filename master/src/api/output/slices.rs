//! Reads the rows of one chunk from the job's file of rows, in slices of the size of one message. Only this module
//! decides which bytes of a chunk's output are sent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use engine::output::{RowFilter, UnpackError, Unpacker};

use crate::store::OutputLocation;

/// The size of a slice: well below the limit of a gRPC message.
const SLICE_BYTES: usize = 1 << 20;

/// The rows of a chunk that are still to be sent.
#[derive(Debug)]
pub(crate) struct Slices {
    unpacker: Unpacker<FileRange>,
    row_filter: RowFilter,
    /// Bytes that were read, and are sent before more are read.
    pending: Bytes,
}

/// A range of bytes in a file.
#[derive(Debug)]
struct FileRange {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Slices {
    /// The rows at `location` that are not left out, without their first `skip` bytes.
    pub(crate) fn open(
        file: Arc<File>,
        location: &OutputLocation,
        skip: u64,
    ) -> Result<Self, UnpackError> {
        let part = FileRange {
            file,
            at: location.offset,
            end: location.offset + location.bytes,
        };
        let unpacker = Unpacker::new(&location.output, part, location.bytes, location.seq)?;
        let mut slices = Self {
            unpacker,
            row_filter: RowFilter::new(location.left_out.clone()),
            pending: Bytes::new(),
        };
        let mut left = skip as usize;
        while left > 0 && !slices.unpacker.is_over() {
            slices.pending = slices.read_more()?;
            let passed = slices.pending.split_to(left.min(slices.pending.len()));
            left -= passed.len();
        }
        Ok(slices)
    }

    /// The next slice, and whether it is the last.
    pub(crate) fn next(&mut self) -> Result<(Bytes, bool), UnpackError> {
        let slice = if self.pending.is_empty() && !self.unpacker.is_over() {
            self.read_more()?
        } else {
            std::mem::take(&mut self.pending)
        };
        Ok((slice, self.unpacker.is_over()))
    }

    fn read_more(&mut self) -> Result<Bytes, UnpackError> {
        let piece = self.unpacker.next(SLICE_BYTES)?;
        Ok(self.row_filter.filter(piece))
    }
}

impl Read for FileRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min((self.end - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
