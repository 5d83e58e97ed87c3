//! Bytes as they come: from a file, from standard input, or from standard input through a spool.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::spool::Spool;

/// What is read from.
pub(crate) enum Raw {
    Stdin(io::Stdin),
    File(File),
    Spool(Spool),
    /// Anything else that gives bytes, once.
    Reader(Box<dyn Read + Send>),
    /// Bytes that are at hand already.
    #[cfg(test)]
    Bytes(io::Cursor<Vec<u8>>),
}

impl Read for Raw {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdin(stdin) => stdin.read(into),
            Self::File(file) => file.read(into),
            Self::Spool(spool) => spool.read(into),
            Self::Reader(reader) => reader.read(into),
            #[cfg(test)]
            Self::Bytes(bytes) => bytes.read(into),
        }
    }
}

impl Raw {
    /// Goes on at `byte` of the input; false, with nothing done, where that is not possible.
    pub(crate) fn go_to(&mut self, byte: u64) -> io::Result<bool> {
        match self {
            Self::Stdin(_) | Self::Reader(_) => return Ok(false),
            Self::File(file) => file.seek(SeekFrom::Start(byte))?,
            Self::Spool(spool) => return spool.go_to(byte).map(|()| true),
            #[cfg(test)]
            Self::Bytes(bytes) => bytes.seek(SeekFrom::Start(byte))?,
        };
        Ok(true)
    }
}
