//! Reads any bytes as the text that a publish would read, for other commands.

use std::io::{self, Read};
use std::sync::Arc;

use crate::compression::Compression;
use crate::encoding::EncodingLabel;
use crate::encoding::{DetectedEncoding, Replacements};
use crate::error::InputError;
use crate::raw_input::RawInput;
use crate::text_stream::{DecodedReader, ReadOptions, open_decoded};
use crate::warnings::Warnings;

/// The bytes, decompressed and decoded to UTF-8. Text that is UTF-8 already is not validated, and keeps its byte order
/// mark. Memory is bounded, whatever the compression ratio.
pub struct TextReader {
    from: DecodedReader,
    encoding: DetectedEncoding,
    compression: Option<Compression>,
    replaced: Arc<Replacements>,
}

impl TextReader {
    /// Starts to read `bytes`. `name` is their name in errors, and `encoding` the default encoding.
    ///
    /// # Errors
    ///
    /// If they cannot be read, have an unsupported encoding, or are not text.
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

    /// The name of the encoding in the Encoding Standard.
    pub fn encoding(&self) -> &'static str {
        self.encoding.encoding.name()
    }

    /// The compression: gzip, zstd, bzip2 or xz. `None` if they are not compressed.
    pub fn compression(&self) -> Option<&'static str> {
        self.compression.map(Compression::name)
    }

    /// The number of malformed sequences replaced by U+FFFD so far.
    pub fn replaced(&self) -> u64 {
        self.replaced.count()
    }
}

impl Read for TextReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.from.read(into)
    }
}
