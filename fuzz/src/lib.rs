//! Fuzz targets: each file in `src/bin` is one, and `corpus/TARGET.tar.gz` has its corpus. `scripts/soak fuzz` unpacks the
//! corpora and runs each target for a while; `scripts/soak corpus` adds the inputs that reach new code, and packs
//! them again. This file has the functions that several targets use.

use std::io::{self, Read};

use engine::Dialect;

/// A dialect made of the first two bytes, and the rest of the bytes.
pub fn dialect(data: &[u8]) -> Option<(Dialect, &[u8])> {
    let (&[delimiter, flags], rest) = data.split_first_chunk()?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    let dialect = Dialect {
        delimiter: b",;\t|"[usize::from(delimiter) % 4],
        quote: [Some(b'"'), Some(b'\''), None, Some(b'"')][usize::from(flags >> 6)],
        escape: has(0).then_some(b'\\'),
        double_quote: !has(1),
        has_header: !has(2),
        comment: has(3).then_some(b'#'),
        ..Dialect::default()
    };
    Some((dialect, rest))
}

/// Reads `from` with a buffer of `step` bytes until its end, or until `max` bytes are read.
///
/// # Errors
///
/// If it cannot be read.
pub fn read_in_steps(from: &mut impl Read, step: usize, max: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(read),
            bytes => read.extend(&buffer[..bytes]),
        }
        if read.len() >= max {
            return Ok(read);
        }
    }
}
