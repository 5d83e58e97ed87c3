//! Lines that stand before anything is read: passed over, and counted.

use std::io::{self, Read};

use memchr::memchr2;

use super::peek::Peek;

const LOOK_BYTES: usize = 64 << 10;

/// Takes `lines` lines away; a line ends with LF, CRLF or CR. Gives how many bytes and how many line
/// ends there were: fewer than asked for where the input ends before.
pub(crate) fn skip<R: Read>(from: &mut Peek<R>, lines: u64) -> io::Result<(u64, u64)> {
    let (mut bytes, mut ends) = (0, 0);
    while ends < lines {
        let seen = from.peek(LOOK_BYTES)?;
        let Some(at) = memchr2(b'\r', b'\n', seen) else {
            let known = seen.len();
            if known == 0 {
                break;
            }
            from.consume(known);
            bytes += known as u64;
            continue;
        };
        let is_return = seen[at] == b'\r';
        from.consume(at + 1);
        bytes += at as u64 + 1;
        ends += 1;
        // A carriage return may be the last byte that was looked at.
        if is_return && from.peek(1)? == b"\n" {
            from.consume(1);
            bytes += 1;
        }
    }
    Ok((bytes, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_end_is_one() {
        let long = ["x".repeat(LOOK_BYTES - 1).as_bytes(), b"\r\nrest"].concat();
        for (input, lines, rest, line_ends) in [
            (&b"title\r\n\ra,b\n"[..], 2, &b"a,b\n"[..], 2),
            (b"title\n\na,b\n", 1, b"\na,b\n", 1),
            (b"title", 3, b"", 0),
            (b"title\r", 1, b"", 1),
            (&long, 1, b"rest", 1),
        ] {
            let mut peek = Peek::new(input);
            let (bytes, ends) = skip(&mut peek, lines).unwrap();
            let mut left = Vec::new();
            peek.read_to_end(&mut left).unwrap();
            assert_eq!((ends, &left[..]), (line_ends, rest));
            assert_eq!(bytes as usize, input.len() - rest.len());
        }
    }
}
