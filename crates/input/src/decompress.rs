//! Decompresses files in bounded memory, one member at a time, so that bytes between and behind members are detected.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream as XzStream;

use crate::compressed::CompressedReader;
use crate::compression::Compression;
use crate::warnings::Warnings;

/// The largest window (zstd) or dictionary (xz) that is decompressed: 128 MiB, as with `zstd -d`. `xz -9` needs 64 MiB.
const WINDOW_LOG: u32 = 27;
/// A dictionary of 128 MiB, and the rest of the decoder's memory.
const XZ_MEMORY_BYTES: u64 = (128 << 20) + (1 << 20);

impl Compression {
    /// Decompresses `packed`: all of its members, frames or streams.
    pub(crate) fn decompress<R: Read>(self, packed: R, trailing: Trailing) -> Decompressor<R> {
        Decompressor {
            compression: self,
            trailing,
            member: Member::None(CompressedReader::new(packed)),
        }
    }
}

/// The handling of bytes behind compressed data that are neither compressed data nor zeros.
#[derive(Debug, Clone)]
pub(crate) enum Trailing {
    /// They are an error.
    Refused,
    /// They are skipped with a warning.
    Ignored(Warnings),
}

/// Why compressed data cannot be decompressed.
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
        "its {compression} data ends at byte {byte}, and {behind} behind it that are no {compression} data: if the \
         file is complete, --ignore-trailing skips them"
    )]
    Trailing {
        compression: Compression,
        byte: u64,
        behind: String,
    },
    #[error(
        "its {compression} data needs a window of more than 128 MiB to be decompressed; compress it again with a \
         smaller one, or pipe it through {compression} -dc"
    )]
    LargeWindow { compression: Compression },
}

/// The decompressed bytes of a compressed input.
pub(crate) struct Decompressor<R: Read> {
    compression: Compression,
    trailing: Trailing,
    member: Member<R>,
}

/// The current member, frame or stream.
enum Member<R: Read> {
    Gzip(GzDecoder<CompressedReader<R>>),
    Zstd(zstd::Decoder<'static, CompressedReader<R>>),
    Bzip2(BzDecoder<CompressedReader<R>>),
    Xz(XzDecoder<CompressedReader<R>>),
    /// Before the first member.
    None(CompressedReader<R>),
    /// Behind the last member, or a member could not be started.
    Over,
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match &mut self.member {
                Member::Gzip(decoder) => decoder.read(into),
                Member::Zstd(decoder) => decoder.read(into),
                Member::Bzip2(decoder) => decoder.read(into),
                Member::Xz(decoder) => decoder.read(into),
                Member::None(_) => Ok(0),
                Member::Over => return Ok(0),
            };
            match read {
                // An empty member, or the end of one.
                Ok(0) => self.next_member()?,
                Ok(bytes) => return Ok(bytes),
                Err(error) => return Err(self.with_context(error)),
            }
        }
    }
}

impl<R: Read> Decompressor<R> {
    fn packed(&mut self) -> Option<&mut CompressedReader<R>> {
        Some(match &mut self.member {
            Member::Gzip(decoder) => decoder.get_mut(),
            Member::Zstd(decoder) => decoder.get_mut(),
            Member::Bzip2(decoder) => decoder.get_mut(),
            Member::Xz(decoder) => decoder.get_mut(),
            Member::None(packed) => packed,
            Member::Over => return None,
        })
    }

    /// Starts the next member, if there is one.
    fn next_member(&mut self) -> io::Result<()> {
        let has_next = self.has_next()?;
        let packed = match std::mem::replace(&mut self.member, Member::Over) {
            Member::Gzip(decoder) => decoder.into_inner(),
            Member::Zstd(decoder) => decoder.finish(),
            Member::Bzip2(decoder) => decoder.into_inner(),
            Member::Xz(decoder) => decoder.into_inner(),
            Member::None(packed) => packed,
            Member::Over => return Ok(()),
        };
        if !has_next {
            return Ok(());
        }
        self.member = match self.compression {
            Compression::Gzip => Member::Gzip(GzDecoder::new(packed)),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?.single_frame();
                decoder.window_log_max(WINDOW_LOG)?;
                Member::Zstd(decoder)
            }
            Compression::Bzip2 => Member::Bzip2(BzDecoder::new(packed)),
            Compression::Xz => {
                let stream = XzStream::new_stream_decoder(XZ_MEMORY_BYTES, 0)?;
                Member::Xz(XzDecoder::new_stream(packed, stream))
            }
        };
        Ok(())
    }

    /// Whether another member follows. Skips zeros in front of it, and other bytes if trailing bytes are ignored.
    fn has_next(&mut self) -> io::Result<bool> {
        let (compression, trailing) = (self.compression, self.trailing.clone());
        let Some(packed) = self.packed() else {
            return Ok(false);
        };
        let byte = packed.consumed;
        let next = packed.skip_zeros()?;
        let is_member = Compression::detect(next) == Some(compression)
            // A partial magic number at the end of the input: the file is cut off.
            || !next.is_empty() && compression.magic().starts_with(next);
        let is_all = next.is_empty();
        // The xz specification requires padding to a multiple of four bytes.
        let is_padding =
            compression != Compression::Xz || (packed.consumed - byte).is_multiple_of(4);
        if is_padding && (is_member || is_all) {
            return Ok(is_member);
        }
        match trailing {
            Trailing::Ignored(warnings) => {
                packed.skip(u64::MAX)?;
                let behind = there_are(packed.consumed - byte);
                warnings.add(format!(
                    "its {compression} data ends at byte {byte}, and {behind} behind it that are no {compression} \
                     data and were skipped"
                ));
                Ok(false)
            }
            Trailing::Refused => {
                packed.skip(COUNTED_BYTES)?;
                let behind = match packed.consumed - byte {
                    bytes if bytes >= COUNTED_BYTES => "more than a million bytes are".to_owned(),
                    bytes => there_are(bytes),
                };
                Err(io::Error::other(Damage::Trailing {
                    compression,
                    byte,
                    behind,
                }))
            }
        }
    }

    /// Describes the damage of the file, unless the read itself failed.
    fn with_context(&mut self, source: io::Error) -> io::Error {
        let compression = self.compression;
        let Some(packed) = self.packed() else {
            return source;
        };
        if packed.has_failed || source.kind() == io::ErrorKind::Interrupted {
            return source;
        }
        let byte = packed.consumed;
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

/// Trailing bytes are counted up to this limit before they are refused.
const COUNTED_BYTES: u64 = 1_000_000;

/// `there are 12 bytes`.
fn there_are(bytes: u64) -> String {
    match bytes {
        1 => "there is 1 byte".to_owned(),
        _ => format!("there are {bytes} bytes"),
    }
}

/// The zstd crate reports this only in the message.
fn is_large_window(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let xz = inner.and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>());
    matches!(xz, Some(liblzma::stream::Error::MemLimit))
        || error.to_string().contains("requires too much memory")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::compressed::BLOCK_BYTES;

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
                // As the zstd command does; without a checksum, damage may go unnoticed.
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

    fn decompress(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut unpacked = compression.decompress(packed, Trailing::Refused);
        unpacked.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The decompressed bytes if trailing bytes are ignored, and the warnings.
    fn decompress_ignoring_trailing(
        compression: Compression,
        packed: &[u8],
    ) -> (Vec<u8>, Vec<String>) {
        let (mut bytes, warnings) = (Vec::new(), Warnings::default());
        let mut unpacked = compression.decompress(packed, Trailing::Ignored(warnings.clone()));
        unpacked.read_to_end(&mut bytes).unwrap();
        (bytes, warnings.take())
    }

    const SHORT: &[u8] = b"a,b\n1,2\n";

    /// Text that does not compress to almost nothing.
    fn text() -> Vec<u8> {
        let line = |n: u32| format!("{n},{}\n", n.wrapping_mul(2_654_435_761));
        (0..20_000).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn every_compression_is_detected_and_all_streams_are_decompressed() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            assert_eq!(Compression::detect(&packed), Some(compression));
            packed.extend(pack(compression, b"second\n"));
            let whole = [&text()[..], b"second\n"].concat();
            assert!(
                decompress(compression, &packed).unwrap() == whole,
                "{compression}"
            );
            assert_eq!(
                Compression::detect(&pack(compression, b"")),
                Some(compression)
            );
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_with_its_position() {
        for compression in ALL {
            let packed = pack(compression, &text());
            // In the middle of the data, and in the checksum behind it.
            for length in [packed.len() / 2, packed.len() - 3] {
                let error = decompress(compression, &packed[..length]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                let message = format!("its {compression} data ends too early, at byte {length}:");
                assert!(error.to_string().starts_with(&message), "{error}");
            }
        }
    }

    #[test]
    fn trailing_zeros_are_skipped() {
        for compression in ALL {
            for zeros in [4, 8, 512, BLOCK_BYTES, 3 * BLOCK_BYTES + 20] {
                let mut packed = pack(compression, SHORT);
                packed.resize(packed.len() + zeros, 0);
                assert!(
                    decompress(compression, &packed).unwrap() == SHORT,
                    "{compression} {zeros}"
                );
                // As tapes are padded.
                packed.extend(pack(compression, b"second\n"));
                let whole = [SHORT, b"second\n"].concat();
                assert!(
                    decompress(compression, &packed).unwrap() == whole,
                    "{compression} {zeros}"
                );
            }
            let mut packed = pack(compression, b"x\n");
            packed.push(0);
            let is_fine = decompress(compression, &packed).is_ok();
            assert_eq!(is_fine, compression != Compression::Xz, "{compression}");
        }
    }

    #[test]
    fn trailing_bytes_are_refused_or_ignored() {
        for compression in ALL {
            for (behind, seen) in [
                (&b"x"[..], "there is 1 byte behind it"),
                (b"garbage, and more", "there are 17 bytes behind it"),
                (b"\0\0\0\0PK", "there are 6 bytes behind it"),
                (
                    &vec![b'x'; 1_000_001],
                    "more than a million bytes are behind it",
                ),
            ] {
                let mut packed = pack(compression, SHORT);
                let end = packed.len();
                packed.extend(behind);
                let error = decompress(compression, &packed).unwrap_err().to_string();
                let message = format!("its {compression} data ends at byte {end}, and {seen}");
                assert!(error.starts_with(&message), "{error}");
                assert!(error.contains("--ignore-trailing"), "{error}");
                let (bytes, warnings) = decompress_ignoring_trailing(compression, &packed);
                assert!(bytes == SHORT, "{compression}");
                let message = format!("there are {} bytes", behind.len());
                assert!(
                    warnings[0].contains(&message) || behind.len() == 1,
                    "{warnings:?}"
                );
            }
            assert_eq!(
                decompress_ignoring_trailing(compression, &pack(compression, b"x"))
                    .1
                    .len(),
                0
            );
        }
    }

    #[test]
    fn a_second_member_that_is_cut_off_is_no_trailing_byte() {
        for compression in ALL {
            let first = pack(compression, SHORT);
            let second = pack(compression, b"second\n");
            for length in [1, 2, 3, second.len() - 2] {
                let packed = [&first[..], &second[..length]].concat();
                let error = decompress(compression, &packed).unwrap_err().to_string();
                assert!(
                    error.contains("the file is cut off"),
                    "{compression} {length}: {error}"
                );
            }
        }
    }

    #[test]
    fn skippable_frames_of_zstd_are_no_trailing_bytes() {
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let frame = pack(Compression::Zstd, b"x\n");
        let packed = [&skippable[..], &frame, &skippable, &frame, &skippable].concat();
        assert_eq!(decompress(Compression::Zstd, &packed).unwrap(), b"x\nx\n");
    }

    #[test]
    fn damage_is_reported_with_its_position() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            let middle = packed.len() / 2;
            packed[middle..middle + 16].fill(0xa5);
            let error = decompress(compression, &packed).unwrap_err().to_string();
            let message = format!("its {compression} data is damaged near byte ");
            assert!(error.starts_with(&message), "{error}");
        }
    }

    #[test]
    fn a_window_that_would_take_all_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&text()).unwrap();
        let error = decompress(Compression::Zstd, &encoder.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("more than 128 MiB"), "{error}");

        // The header of an LZMA2 filter has the dictionary's size: 28 is 64 MiB, 32 is 256 MiB.
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        options.dict_size(256 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::Crc32;
        let stream = XzStream::new_stream_encoder(&filters, check).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&text()).unwrap();
        let error = decompress(Compression::Xz, &encoder.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("more than 128 MiB"), "{error}");
    }
}
