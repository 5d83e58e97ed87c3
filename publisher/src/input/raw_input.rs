//! Bytes as they come: from a file, from standard input, or from standard input through a spool.

use std::io::{self, Read};
use std::sync::Arc;

use super::Spool;
use super::file::{InputFile, VersionedFile};
use super::warnings::Warnings;

/// What is read from.
pub(crate) enum RawInput {
    File(InputFile),
    Spool(Spool),
    /// Anything else that gives bytes: a pipe, a device, standard input.
    Reader(Box<dyn Read + Send>),
    /// Bytes that are at hand already.
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
    /// Goes on at `byte` of the input; false, with nothing done, where that is not possible.
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

    /// The file, to be looked at while it is read. `None`: it is none that could change.
    pub(super) fn versioned(&self) -> Option<Arc<VersionedFile>> {
        match self {
            Self::File(file) => Some(file.versioned()),
            _ => None,
        }
    }

    /// What there is to say of it.
    pub(super) fn warnings(&self) -> Warnings {
        match self {
            Self::File(file) => file.warnings(),
            _ => Warnings::default(),
        }
    }
}
