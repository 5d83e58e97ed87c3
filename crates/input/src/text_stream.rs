//! One file as text: decompressed, decoded, with its first lines skipped, and checked to be text. Plain UTF-8 passes
//! through without a copy.

use std::io::{self, Read};
use std::sync::Arc;

use encoding_rs::UTF_8;
use engine::split::Position;

use crate::compression::Compression;
use crate::compression::MAGIC_BYTES;
use crate::decompress::Trailing;
use crate::encoding::EncodingLabel;
use crate::encoding::{DetectedEncoding, HEAD_BYTES, Replacements, Transcoder, detect};
use crate::error::InputError;
use crate::file::VersionedFile;
use crate::foreign_format;
use crate::peek::PeekReader;
use crate::raw_input::RawInput;
use crate::read_ahead::ReadAhead;
use crate::skip_lines;
use crate::skip_lines::SkippedLines;
use crate::warnings::Warnings;

/// How files are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadOptions {
    pub(crate) encoding: Option<EncodingLabel>,
    pub(crate) skip_lines: u64,
    /// Whether trailing bytes behind compressed data are ignored.
    pub(crate) ignore_trailing: bool,
}

/// The text of one file.
pub(crate) struct TextStream {
    name: String,
    from: DecodedReader,
    pub(crate) encoding: DetectedEncoding,
    pub(crate) compression: Option<Compression>,
    /// The delimiter that a separator line names.
    pub(crate) separator: Option<u8>,
    replaced: Arc<Replacements>,
    /// The open file. `None` if the source is not a file that can change.
    versioned: Option<Arc<VersionedFile>>,
    warnings: Warnings,
    /// The start of the text, behind the skipped lines.
    start: SkippedLines,
}

/// The reader of the text.
pub(crate) enum DecodedReader {
    /// The file's own bytes.
    Plain(PeekReader<RawInput>),
    /// Decompressed or decoded.
    Decoded(PeekReader<Box<dyn Read + Send>>),
}

impl TextStream {
    /// Starts to read `raw` at its beginning.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has an unsupported format.
    pub(crate) fn open(
        name: String,
        raw: RawInput,
        options: ReadOptions,
    ) -> Result<Self, InputError> {
        let replaced = Arc::new(Replacements::default());
        let (versioned, warnings) = (raw.versioned(), raw.warnings());
        let opened = open_decoded(raw, options, &replaced, &warnings);
        let (mut from, encoding, compression) =
            opened.map_err(|error| InputError::from_io(&name, error))?;
        let skipped = match &mut from {
            DecodedReader::Plain(from) => skip_lines::skip_preamble(from, options.skip_lines),
            DecodedReader::Decoded(from) => skip_lines::skip_preamble(from, options.skip_lines),
        };
        let (SkippedLines { bytes, line_ends }, separator) =
            skipped.map_err(|error| InputError::from_io(&name, error))?;
        Ok(Self {
            name,
            from,
            encoding,
            compression,
            separator,
            replaced,
            versioned,
            warnings,
            start: SkippedLines { bytes, line_ends },
        })
    }

    /// Its name for users.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its bytes are the file's own, at the same positions.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.from, DecodedReader::Plain(_))
    }

    /// The position of the start of the text. `record` records came before, of which `rejected` were rejected.
    pub(crate) fn start(&self, record: u64, rejected: u64) -> Position {
        Position {
            record,
            rejected,
            line: 1 + self.start.line_ends,
            byte: self.start.bytes,
        }
    }

    /// The malformed sequences replaced so far.
    pub(crate) fn replaced(&self) -> &Replacements {
        &self.replaced
    }

    /// The change of the file since it was opened, which may explain any other error. `None` if it is unchanged or has
    /// only grown.
    pub(crate) fn changed(&self) -> Option<InputError> {
        let versioned = self.versioned.as_ref()?;
        // If the metadata cannot be read, the file is not known to have changed.
        versioned.changed().ok().flatten()
    }

    /// The warnings that were not taken before.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// The next `bytes`, or fewer at the end of the text. They are not consumed.
    pub(crate) fn peek(&mut self, bytes: usize) -> Result<&[u8], InputError> {
        let peeked = match &mut self.from {
            DecodedReader::Plain(from) => from.peek(bytes),
            DecodedReader::Decoded(from) => from.peek(bytes),
        };
        peeked.map_err(|error| InputError::from_io(&self.name, error))
    }

    /// As `Read::read`.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, InputError> {
        self.from
            .read(into)
            .map_err(|error| InputError::from_io(&self.name, error))
    }

    /// Seeks to `byte` of the text. If it is compressed or decoded, everything before it is read and discarded. Only
    /// peeking is allowed before.
    pub(crate) fn seek_to(&mut self, byte: u64) -> Result<(), InputError> {
        let sought = self.from.seek_to(byte, self.start.bytes);
        sought.map_err(|error| InputError::from_io(&self.name, error))
    }
}

pub(crate) type DecodedInput = (DecodedReader, DetectedEncoding, Option<Compression>);

/// Opens the text of `raw` at its beginning, and counts replaced sequences in `replaced`.
pub(crate) fn open_decoded(
    raw: RawInput,
    options: ReadOptions,
    replaced: &Arc<Replacements>,
    warnings: &Warnings,
) -> io::Result<DecodedInput> {
    let given = options.encoding;
    let mut raw = PeekReader::new(raw);
    let compression = Compression::detect(raw.peek(MAGIC_BYTES)?);
    let mut from = match compression {
        None => DecodedReader::Plain(raw),
        Some(compression) => {
            let trailing = if options.ignore_trailing {
                Trailing::Ignored(warnings.clone())
            } else {
                Trailing::Refused
            };
            decoded(ReadAhead::new(compression.decompress(raw, trailing))?)
        }
    };
    let head = match &mut from {
        DecodedReader::Plain(from) => from.peek(HEAD_BYTES)?,
        DecodedReader::Decoded(from) => from.peek(HEAD_BYTES)?,
    };
    if let Some(foreign) = foreign_format::by_magic(head) {
        return Err(io::Error::other(foreign));
    }
    let encoding = detect(head, given)?;
    if encoding.encoding == UTF_8 && given.is_none() {
        if let Some(foreign) = foreign_format::detect_binary(head) {
            return Err(io::Error::other(foreign));
        }
    } else if encoding.encoding != UTF_8 {
        from = decoded(Transcoder::new(
            from,
            encoding.encoding,
            Arc::clone(replaced),
        ));
    }
    Ok((from, encoding, compression))
}

fn decoded(from: impl Read + Send + 'static) -> DecodedReader {
    DecodedReader::Decoded(PeekReader::new(Box::new(from)))
}

impl DecodedReader {
    fn seek_to(&mut self, byte: u64, read: u64) -> io::Result<()> {
        if let Self::Plain(from) = self
            && from.inner_mut().seek_to(byte)?
        {
            from.discard();
            return Ok(());
        }
        let skipped = byte.saturating_sub(read);
        let dropped = io::copy(&mut self.take(skipped), &mut io::sink())?;
        if dropped < skipped {
            let message = format!("it ends before byte {byte}, up to which it was read before");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(())
    }
}

impl Read for DecodedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(into),
            Self::Decoded(from) => from.read(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8], skip_lines: u64) -> TextStream {
        let raw = RawInput::Bytes(io::Cursor::new(bytes.to_vec()));
        let options = ReadOptions {
            skip_lines,
            ..ReadOptions::default()
        };
        TextStream::open("a.csv".into(), raw, options).unwrap()
    }

    fn rest(stream: &mut TextStream) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 7]);
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return String::from_utf8(text).unwrap(),
                bytes => text.extend(&buffer[..bytes]),
            }
        }
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_compressed_file_in_another_encoding_reads_as_text_and_can_seek() {
        let text = "\u{feff}made by hand\r\na,b\n1,ü\n";
        let packed = zstd::encode_all(&utf16(text)[..], 1).unwrap();
        for bytes in [&packed[..], &utf16(text), text.as_bytes()] {
            let mut stream = open(bytes, 1);
            let place = stream.start(0, 0);
            assert_eq!((place.line, stream.peek(3).unwrap()), (2, &b"a,b"[..]));
            assert_eq!(rest(&mut stream), "a,b\n1,ü\n");
            let mut again = open(bytes, 1);
            again.peek(2).unwrap();
            again.seek_to(place.byte + 4).unwrap();
            assert_eq!(rest(&mut again), "1,ü\n");
        }
        assert!(open(&packed, 0).seek_to(500).is_err());
        assert!(!open(&packed, 0).is_plain() && open(b"a", 0).is_plain());
    }
}
