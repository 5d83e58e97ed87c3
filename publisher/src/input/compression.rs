//! Takes files out of their compression, in bounded memory. What a file is packed with is told by
//! its first bytes, never by its name.

use std::fmt;
use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream as XzStream};

/// So many bytes at the start tell.
pub(crate) const MAGIC_BYTES: usize = 6;

/// The largest window (zstd) or dictionary (xz) that is unpacked: 128 MiB, as `zstd -d` has it. What
/// `xz -9` makes needs 64 MiB.
const WINDOW_LOG: u32 = 27;
/// A dictionary of 128 MiB, and what a decoder needs beside it.
const XZ_MEMORY_BYTES: u64 = (128 << 20) + (1 << 20);

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Compression {
    /// What a file is packed with that starts so. `None`: it is not packed.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            // Its level, then a block's or the stream's end's first byte.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// The name that people know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Unpacks `packed`, all of its members, frames or streams.
    pub(crate) fn unpack<R: Read>(self, packed: R) -> io::Result<Unpacked<R>> {
        let packed = BufReader::with_capacity(64 << 10, Counted::new(packed));
        let decoder = match self {
            Self::Gzip => Decoder::Gzip(MultiGzDecoder::new(packed)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Decoder::Zstd(decoder)
            }
            Self::Bzip2 => Decoder::Bzip2(MultiBzDecoder::new(packed)),
            Self::Xz => {
                let stream = XzStream::new_stream_decoder(XZ_MEMORY_BYTES, CONCATENATED)?;
                Decoder::Xz(XzDecoder::new_stream(packed, stream))
            }
        };
        Ok(Unpacked {
            compression: self,
            decoder,
        })
    }
}

/// Why packed data cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its {compression} data ends too early, at byte {byte}: the file is cut off")]
    CutOff { compression: Compression, byte: u64 },
    #[error("its {compression} data is damaged near byte {byte}: {source}")]
    Damaged {
        compression: Compression,
        byte: u64,
        source: io::Error,
    },
    #[error(
        "its {compression} data needs a window of more than 128 MiB to be unpacked; pack it again \
         with a smaller one, or pipe it through {compression} -dc"
    )]
    LargeWindow { compression: Compression },
}

type Packed<R> = BufReader<Counted<R>>;

enum Decoder<R: Read> {
    Gzip(MultiGzDecoder<Packed<R>>),
    Zstd(zstd::Decoder<'static, Packed<R>>),
    Bzip2(MultiBzDecoder<Packed<R>>),
    Xz(XzDecoder<Packed<R>>),
}

/// What comes out of a packed input.
pub(crate) struct Unpacked<R: Read> {
    compression: Compression,
    decoder: Decoder<R>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(into),
            Decoder::Zstd(decoder) => decoder.read(into),
            Decoder::Bzip2(decoder) => decoder.read(into),
            Decoder::Xz(decoder) => decoder.read(into),
        };
        read.map_err(|error| self.explained(error))
    }
}

impl<R: Read> Unpacked<R> {
    fn packed(&self) -> &Packed<R> {
        match &self.decoder {
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
            Decoder::Bzip2(decoder) => decoder.get_ref(),
            Decoder::Xz(decoder) => decoder.get_ref(),
        }
    }

    /// Says what is wrong with the file, unless it was the reading of it that failed.
    fn explained(&self, source: io::Error) -> io::Error {
        let packed = self.packed();
        if packed.get_ref().failed || source.kind() == io::ErrorKind::Interrupted {
            return source;
        }
        let compression = self.compression;
        let byte = packed.get_ref().bytes - packed.buffer().len() as u64;
        let kind = source.kind();
        let damage = if is_large_window(&source) {
            Damage::LargeWindow { compression }
        } else if kind == io::ErrorKind::UnexpectedEof {
            Damage::CutOff { compression, byte }
        } else {
            Damage::Damaged {
                compression,
                byte,
                source,
            }
        };
        io::Error::new(kind, damage)
    }
}

/// zstd says it in words only.
fn is_large_window(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let xz = inner.and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>());
    matches!(xz, Some(liblzma::stream::Error::MemLimit))
        || error.to_string().contains("requires too much memory")
}

/// Counts what is read, and notes whether reading failed.
struct Counted<R> {
    from: R,
    bytes: u64,
    failed: bool,
}

impl<R> Counted<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            bytes: 0,
            failed: false,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into);
        match &read {
            Ok(bytes) => self.bytes += *bytes as u64,
            Err(error) => self.failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ALL: [Compression; 4] = [
        Compression::Gzip,
        Compression::Zstd,
        Compression::Bzip2,
        Compression::Xz,
    ];

    fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        match compression {
            Compression::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(&mut packed, level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(&mut packed, 3).unwrap();
                // As the command does; without it, damage may go unnoticed.
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Bzip2 => {
                let level = bzip2::Compression::default();
                let mut encoder = bzip2::write::BzEncoder::new(&mut packed, level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(&mut packed, 6);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap();
            }
        }
        packed
    }

    fn unpack(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        compression.unpack(packed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Text that does not pack into nothing.
    fn text() -> Vec<u8> {
        let line = |n: u32| format!("{n},{}\n", n.wrapping_mul(2_654_435_761));
        (0..20_000).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn every_compression_is_known_by_its_content_and_unpacked_with_all_its_streams() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            assert_eq!(Compression::of(&packed), Some(compression));
            packed.extend(pack(compression, b"second\n"));
            let whole = [&text()[..], b"second\n"].concat();
            assert!(
                unpack(compression, &packed).unwrap() == whole,
                "{compression}"
            );
            assert_eq!(Compression::of(&pack(compression, b"")), Some(compression));
        }
        assert_eq!(Compression::of(b"BZh1,name\n"), None);
        assert_eq!(Compression::of(b"a,b\n1,2\n"), None);
    }

    #[test]
    fn what_is_cut_off_says_where_and_never_passes_for_the_whole() {
        for compression in ALL {
            let packed = pack(compression, &text());
            // In the middle of the data, and in the check behind it.
            for length in [packed.len() / 2, packed.len() - 3] {
                let error = unpack(compression, &packed[..length]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                let said = format!("its {compression} data ends too early, at byte {length}:");
                assert!(error.to_string().starts_with(&said), "{error}");
            }
        }
    }

    #[test]
    fn damage_is_found_and_told_with_its_place() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            let middle = packed.len() / 2;
            packed[middle..middle + 16].fill(0xa5);
            let error = unpack(compression, &packed).unwrap_err().to_string();
            let said = format!("its {compression} data is damaged near byte ");
            assert!(error.starts_with(&said), "{error}");
        }
    }

    #[test]
    fn a_window_that_would_take_all_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&text()).unwrap();
        let error = unpack(Compression::Zstd, &encoder.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("more than 128 MiB"), "{error}");

        // The header of an LZMA2 filter says the dictionary's size: 28 is 64 MiB, 32 is 256 MiB.
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        options.dict_size(256 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::Crc32;
        let stream = XzStream::new_stream_encoder(&filters, check).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&text()).unwrap();
        let error = unpack(Compression::Xz, &encoder.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("more than 128 MiB"), "{error}");
    }
}
