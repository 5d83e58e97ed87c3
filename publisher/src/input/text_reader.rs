//! Any bytes as the text that a publish would read of them, for whoever wants to read as it does
//! without publishing.

use std::io::{self, Read};
use std::sync::Arc;

use super::encoding::{DetectedEncoding, Replacements};
use super::stream::{DecodedReader, ReadOptions, open_decoded};
use super::warnings::Warnings;
use super::{Compression, EncodingLabel, InputError, RawInput};

/// What bytes say, unpacked and as UTF-8. What is UTF-8 already comes as it is, checked by nobody, with
/// its byte order mark if it has one. Memory is bounded, however much comes out of however little.
pub struct TextReader {
    from: DecodedReader,
    encoding: DetectedEncoding,
    compression: Option<Compression>,
    replaced: Arc<Replacements>,
}

impl TextReader {
    /// Begins to read `bytes`, which errors call `name`. `encoding` is what they are in where they do
    /// not tell by themselves.
    ///
    /// # Errors
    ///
    /// When they cannot be read, are in an encoding that is not known, or are no text.
    pub fn open(
        name: &str,
        bytes: impl Read + Send + 'static,
        encoding: Option<EncodingLabel>,
    ) -> Result<Self, InputError> {
        let replaced = Arc::new(Replacements::default());
        let options = ReadOptions {
            encoding,
            ..ReadOptions::default()
        };
        let raw = RawInput::Reader(Box::new(bytes));
        let opened = open_decoded(raw, options, &replaced, &Warnings::default());
        let (from, encoding, compression) =
            opened.map_err(|error| InputError::from_io(name, error))?;
        Ok(Self {
            from,
            encoding,
            compression,
            replaced,
        })
    }

    /// What it was encoded in, by its name in the Encoding Standard.
    pub fn encoding(&self) -> &'static str {
        self.encoding.encoding.name()
    }

    /// What it was packed with: gzip, zstd, bzip2 or xz. `None`: it was not.
    pub fn compression(&self) -> Option<&'static str> {
        self.compression.map(Compression::name)
    }

    /// How many malformed sequences became U+FFFD in what was read so far, and was decoded.
    pub fn replaced(&self) -> u64 {
        self.replaced.count()
    }
}

impl Read for TextReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.from.read(into)
    }
}
