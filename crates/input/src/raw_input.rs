//! The bytes of a source: a file, standard input, or standard input through a spool.

use std::io::{self, Read};
use std::sync::Arc;

use crate::file::{InputFile, VersionedFile};
use crate::spool::Spool;
use crate::warnings::Warnings;

/// A source of bytes.
pub(crate) enum RawInput {
    File(InputFile),
    Spool(Spool),
    /// Any other reader: a pipe, a device, standard input.
    Reader(Box<dyn Read + Send>),
    /// Bytes in memory.
    #[cfg(test)]
    Bytes(io::Cursor<Vec<u8>>),
}

impl Read for RawInput {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Spool(spool) => spool.read(into),
            Self::Reader(reader) => reader.read(into),
            #[cfg(test)]
            Self::Bytes(bytes) => bytes.read(into),
        }
    }
}

impl RawInput {
    /// Seeks to `byte`. Returns false, without an effect, if the source cannot seek.
    pub(crate) fn seek_to(&mut self, byte: u64) -> io::Result<bool> {
        match self {
            Self::Reader(_) => return Ok(false),
            Self::File(file) => file.seek_to(byte)?,
            Self::Spool(spool) => spool.seek_to(byte)?,
            #[cfg(test)]
            Self::Bytes(bytes) => bytes.set_position(byte),
        }
        Ok(true)
    }

    /// The open file, for checks while it is read. `None` if the source is not a file that can change.
    pub(crate) fn versioned(&self) -> Option<Arc<VersionedFile>> {
        match self {
            Self::File(file) => Some(file.versioned()),
            _ => None,
        }
    }

    /// The warnings about it.
    pub(crate) fn warnings(&self) -> Warnings {
        match self {
            Self::File(file) => file.warnings(),
            _ => Warnings::default(),
        }
    }
}
