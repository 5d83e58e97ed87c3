//! The decompressor: over whatever claims to be packed, which may be a bomb; and over what was packed
//! in several members and then damaged or cut off, which is found out or does not matter.

#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use input::TextReader;

/// No more is taken of what comes out.
const MOST_BYTES: usize = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&[how, bite, at_high, at_low], bytes)) = data.split_first_chunk() else {
        return;
    };
    let bite = 1 + usize::from(bite) * 16;
    if how & 0x80 != 0 {
        // Packed by whoever fuzzes. What cannot be unpacked is an error, and nothing else.
        let opened = TextReader::open("fuzz", Cursor::new(bytes.to_vec()), None);
        if let Ok(mut text) = opened {
            drop(fuzz::read_in_bites(&mut text, bite, MOST_BYTES));
        }
        return;
    }
    // What UTF-16 would be taken for is for the target `decoder`.
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
        let read = fuzz::read_in_bites(&mut text, bite, MOST_BYTES);
        read.map(|read| (is_packed, read)).map_err(|source| {
            let name = "fuzz".to_owned();
            input::InputError::Read { name, source }
        })
    });
    match (damage, read) {
        (0, read) => assert_eq!(read.expect("it is sound"), (true, bytes)),
        // A cut between two members cannot be told from a file that has but one.
        (1, Ok((true, read))) => assert!(at == end_of_first && read == first, "cut at {at}"),
        // Damage that is not found out changes nothing: it hit a time or a name.
        (_, Ok((true, read))) => assert!(read == bytes, "damaged at {at}"),
        // What does not look packed is read as it is.
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
    packed.expect("into memory nothing fails")
}
