//! 100,000 small adversarial inputs, in any dialect, cut at any size and fed in any way: the pieces and rejects joined
//! are the input, and the records are those of the csv crate. More cases with `ENGINE_CASES=N`; `ENGINE_CASE=N` repeats
//! one.

#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures output

mod support;

use engine::Dialect;
use random::Random;

/// The minimum number of cases.
const CASES: u64 = 100_000;

/// Bytes with a meaning in some dialect, or that are often mistaken for one.
const NASTY: [&[u8]; 28] = [
    b",",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\"",
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\\"",
    b"#",
    b"\n#",
    b",\"",
    b"\",",
    b"\"\n",
    b"\n\"",
    b"\"a\"\"b,\n\"",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xe2\x82",
    b" ",
    b"a",
];

/// Prints the number of the case that failed.
struct Case {
    number: u64,
    dialect: Dialect,
    input: Vec<u8>,
}

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let input = self.input.escape_ascii();
            eprintln!(
                "ENGINE_CASE={}: \"{input}\" as {:?}",
                self.number, self.dialect
            );
        }
    }
}

#[test]
fn nasty_bytes_split_as_the_csv_crate_reads_them() {
    let setting = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    if let Some(number) = setting("ENGINE_CASE") {
        return try_case(number);
    }
    for number in 0..setting("ENGINE_CASES").unwrap_or(CASES) {
        try_case(number);
    }
}

fn try_case(number: u64) {
    let mut random = Random::new(number);
    let case = Case {
        number,
        dialect: dialect(&mut random),
        input: input(&mut random),
    };
    let target = 1 + random.index(300);
    let feed = 1 + random.index(200);
    support::check(case.dialect, target, &case.input, feed);
}

fn dialect(random: &mut Random) -> Dialect {
    let quote = [Some(b'"'), Some(b'"'), Some(b'"'), Some(b'\''), None][random.index(5)];
    Dialect {
        delimiter: [b',', b',', b';', b'\t'][random.index(4)],
        quote,
        escape: (random.index(4) == 0).then_some(b'\\'),
        double_quote: random.index(4) > 0,
        has_header: random.index(2) == 0,
        comment: (random.index(4) == 0).then_some(b'#'),
        ..Dialect::default()
    }
}

/// Mostly short, sometimes several blocks long, with more or fewer bytes without a meaning.
fn input(random: &mut Random) -> Vec<u8> {
    let longest = [8, 20, 60, 160][random.index(4)];
    let plain = random.index(4);
    let mut input = Vec::new();
    for _ in 0..random.index(longest) {
        input.extend_from_slice(NASTY[random.index(NASTY.len())]);
        for _ in 0..random.index(1 + 3 * plain) {
            input.push(b'a' + random.index(26) as u8);
        }
    }
    input
}
