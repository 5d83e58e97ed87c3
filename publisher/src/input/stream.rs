//! One file as text: unpacked, decoded, and with its first lines passed over; and whether it is text. A plain UTF-8 file
//! passes through untouched, without a copy.

use std::io::{self, Read};
use std::sync::Arc;

use encoding_rs::UTF_8;
use engine::split::Place;

use super::ahead::Ahead;
use super::compression::MAGIC_BYTES;
use super::encoding::{Detected, HEAD_BYTES, Replaced, Transcoder, detect};
use super::file::Watched;
use super::lines::Passed;
use super::peek::Peek;
use super::remarks::Remarks;
use super::unpack::Trailing;
use super::{Compression, InputError, Label, Raw, foreign, lines};

/// How a person says that files are to be read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reads {
    pub(crate) encoding: Option<Label>,
    pub(crate) skip_lines: u64,
    /// Whether bytes behind packed data that are no packed data are passed over.
    pub(crate) ignore_trailing: bool,
}

/// The text of one file.
pub(crate) struct Stream {
    name: String,
    from: Layers,
    pub(crate) encoding: Detected,
    pub(crate) compression: Option<Compression>,
    /// What its first line says that stands between fields.
    pub(crate) separator: Option<u8>,
    replaced: Arc<Replaced>,
    /// The file. `None`: it is none that could change.
    watched: Option<Arc<Watched>>,
    remarks: Remarks,
    /// Where the text begins that is read: behind the lines passed over.
    start: Passed,
}

/// What the text comes through.
pub(super) enum Layers {
    /// As it lies there.
    Plain(Peek<Raw>),
    /// Unpacked or decoded.
    Made(Peek<Box<dyn Read + Send>>),
}

impl Stream {
    /// Begins to read `raw`, of which nothing was read before.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is written in a way that is not known.
    pub(crate) fn open(name: String, raw: Raw, reads: Reads) -> Result<Self, InputError> {
        let replaced = Arc::new(Replaced::default());
        let (watched, remarks) = (raw.watched(), raw.remarks());
        let opened = layers(raw, reads, &replaced, &remarks);
        let (mut from, encoding, compression) =
            opened.map_err(|error| InputError::of(&name, error))?;
        let skipped = match &mut from {
            Layers::Plain(from) => lines::pass(from, reads.skip_lines),
            Layers::Made(from) => lines::pass(from, reads.skip_lines),
        };
        let (Passed { bytes, line_ends }, separator) =
            skipped.map_err(|error| InputError::of(&name, error))?;
        Ok(Self {
            name,
            from,
            encoding,
            compression,
            separator,
            replaced,
            watched,
            remarks,
            start: Passed { bytes, line_ends },
        })
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its bytes are the file's own, in the same places.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.from, Layers::Plain(_))
    }

    /// Where the text begins, when so many records came before, and so many of them were rejected.
    pub(crate) fn start(&self, record: u64, rejected: u64) -> Place {
        Place {
            record,
            rejected,
            line: 1 + self.start.line_ends,
            byte: self.start.bytes,
        }
    }

    /// What was replaced so far.
    pub(crate) fn replaced(&self) -> &Replaced {
        &self.replaced
    }

    /// What changed the file since it was opened, if anything did but that it became longer: whatever else is wrong
    /// with it may come of that.
    pub(crate) fn changed(&self) -> Option<InputError> {
        let watched = self.watched.as_ref()?;
        // Where the system does not say, it is not known to have changed.
        watched.changed().ok().flatten()
    }

    /// What there is to say of it that was not said.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks.take()
    }

    /// The next `bytes`, or fewer where the text ends before; they are read again.
    pub(crate) fn peek(&mut self, bytes: usize) -> Result<&[u8], InputError> {
        let peeked = match &mut self.from {
            Layers::Plain(from) => from.peek(bytes),
            Layers::Made(from) => from.peek(bytes),
        };
        peeked.map_err(|error| InputError::of(&self.name, error))
    }

    /// As `Read::read`.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, InputError> {
        self.from
            .read(into)
            .map_err(|error| InputError::of(&self.name, error))
    }

    /// Goes on at `byte` of the text; of one that was unpacked or decoded, everything before it is
    /// made and dropped. Nothing was read but what was peeked at.
    pub(crate) fn go_to(&mut self, byte: u64) -> Result<(), InputError> {
        let gone = self.from.go_to(byte, self.start.bytes);
        gone.map_err(|error| InputError::of(&self.name, error))
    }
}

pub(super) type Opened = (Layers, Detected, Option<Compression>);

/// The text of `raw`, of which nothing was read before. What is replaced in it is noted.
pub(super) fn layers(
    raw: Raw,
    reads: Reads,
    replaced: &Arc<Replaced>,
    remarks: &Remarks,
) -> io::Result<Opened> {
    let given = reads.encoding;
    let mut raw = Peek::new(raw);
    let compression = Compression::of(raw.peek(MAGIC_BYTES)?);
    let mut from = match compression {
        None => Layers::Plain(raw),
        Some(compression) => {
            let trailing = if reads.ignore_trailing {
                Trailing::Ignored(remarks.clone())
            } else {
                Trailing::Refused
            };
            made(Ahead::new(compression.unpack(raw, trailing))?)
        }
    };
    let head = match &mut from {
        Layers::Plain(from) => from.peek(HEAD_BYTES)?,
        Layers::Made(from) => from.peek(HEAD_BYTES)?,
    };
    if let Some(foreign) = foreign::known(head) {
        return Err(io::Error::other(foreign));
    }
    let encoding = detect(head, given)?;
    if encoding.encoding == UTF_8 && given.is_none() {
        if let Some(foreign) = foreign::binary(head) {
            return Err(io::Error::other(foreign));
        }
    } else if encoding.encoding != UTF_8 {
        from = made(Transcoder::new(
            from,
            encoding.encoding,
            Arc::clone(replaced),
        ));
    }
    Ok((from, encoding, compression))
}

fn made(from: impl Read + Send + 'static) -> Layers {
    Layers::Made(Peek::new(Box::new(from)))
}

impl Layers {
    fn go_to(&mut self, byte: u64, read: u64) -> io::Result<()> {
        if let Self::Plain(from) = self
            && from.rest_mut().go_to(byte)?
        {
            from.forget();
            return Ok(());
        }
        let wanted = byte.saturating_sub(read);
        let dropped = io::copy(&mut self.take(wanted), &mut io::sink())?;
        if dropped < wanted {
            let said = format!("it ends before byte {byte}, up to which it was read before");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, said));
        }
        Ok(())
    }
}

impl Read for Layers {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(into),
            Self::Made(from) => from.read(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8], skip_lines: u64) -> Stream {
        let raw = Raw::Bytes(io::Cursor::new(bytes.to_vec()));
        let reads = Reads {
            skip_lines,
            ..Reads::default()
        };
        Stream::open("a.csv".into(), raw, reads).unwrap()
    }

    fn rest(stream: &mut Stream) -> String {
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
    fn a_packed_file_in_another_encoding_reads_as_its_text_and_goes_on_anywhere() {
        let text = "\u{feff}made by hand\r\na,b\n1,ü\n";
        let packed = zstd::encode_all(&utf16(text)[..], 1).unwrap();
        for bytes in [&packed[..], &utf16(text), text.as_bytes()] {
            let mut stream = open(bytes, 1);
            let place = stream.start(0, 0);
            assert_eq!((place.line, stream.peek(3).unwrap()), (2, &b"a,b"[..]));
            assert_eq!(rest(&mut stream), "a,b\n1,ü\n");
            let mut again = open(bytes, 1);
            again.peek(2).unwrap();
            again.go_to(place.byte + 4).unwrap();
            assert_eq!(rest(&mut again), "1,ü\n");
        }
        assert!(open(&packed, 0).go_to(500).is_err());
        assert!(!open(&packed, 0).is_plain() && open(b"a", 0).is_plain());
    }
}
