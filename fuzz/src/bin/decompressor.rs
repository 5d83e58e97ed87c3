//! The decompressor, with arbitrary bytes behind a valid signature, which may be a decompression bomb, and with valid
//! files of several members that are then damaged or cut off. The damage must be detected, or must not change the text.

#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use input::TextReader;

/// The limit of decompressed bytes.
const MAX_BYTES: usize = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&[how, step, at_high, at_low], bytes)) = data.split_first_chunk() else {
        return;
    };
    let step = 1 + usize::from(step) * 16;
    if how & 0x80 != 0 {
        // Compressed by the fuzzer. Invalid input must only lead to an error.
        let opened = TextReader::open("fuzz", Cursor::new(bytes.to_vec()), None);
        if let Ok(mut text) = opened {
            drop(fuzz::read_in_steps(&mut text, step, MAX_BYTES));
        }
        return;
    }
    // ASCII only: the target `decoder` covers UTF-16, which other bytes could be detected as.
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f | 0x20).collect();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut packed = pack(how, first);
    let end_of_first = packed.len();
    packed.extend(pack(how, second));
    let at = usize::from(u16::from_be_bytes([at_high, at_low])) % packed.len();
    let damage = how >> 2 & 3;
    match damage {
        0 => {}
        1 => packed.truncate(at),
        _ => packed[at] ^= 1 << (how >> 4 & 7),
    }
    let read = TextReader::open("fuzz", Cursor::new(packed), None).and_then(|mut text| {
        let is_packed = text.compression().is_some();
        let read = fuzz::read_in_steps(&mut text, step, MAX_BYTES);
        read.map(|read| (is_packed, read)).map_err(|source| {
            let name = "fuzz".to_owned();
            input::InputError::Read { name, source }
        })
    });
    match (damage, read) {
        (0, read) => assert_eq!(read.expect("an undamaged file is read"), (true, bytes)),
        // A file cut between two members looks like a file with one member.
        (1, Ok((true, read))) => assert!(at == end_of_first && read == first, "cut at {at}"),
        // Undetected damage changes no text: it is in a time or a name.
        (_, Ok((true, read))) => assert!(read == bytes, "damaged at {at}"),
        // A file that no longer looks compressed is read as it is.
        (_, Ok((false, _)) | Err(_)) => {}
    }
});

fn pack(how: u8, bytes: &[u8]) -> Vec<u8> {
    let packed = match how & 3 {
        0 => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        1 => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd has memory");
            // As the command does; without it, damage may go unnoticed.
            encoder.include_checksum(true).expect("zstd has checksums");
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        2 => {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        _ => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
    };
    packed.expect("writing to memory does not fail")
}
