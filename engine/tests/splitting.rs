//! The splitter against the csv crate: for any bytes, any feed and any target, the pieces joined are
//! the input and their records are those of `csv::Reader`.

use engine::records::Records;
use engine::{Dialect, Limits, Piece, Splitter};
use proptest::prelude::*;

type Row = Vec<Vec<u8>>;

fn reference(dialect: &Dialect, input: &[u8]) -> Vec<Row> {
    let mut builder = csv::ReaderBuilder::new();
    builder
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .double_quote(dialect.double_quote)
        .escape(dialect.escape)
        .comment(dialect.comment)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'));
    let reader = builder.from_reader(input);
    reader
        .into_byte_records()
        .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
        .collect()
}

fn read(dialect: &Dialect, body: &[u8]) -> Vec<Row> {
    let mut records = Records::new(dialect, body);
    let mut rows = Vec::new();
    let mut end = 0;
    while let Some(record) = records.read() {
        assert!(end <= record.start() && record.start() <= record.end());
        end = record.end();
        rows.push(record.iter().map(<[u8]>::to_vec).collect());
    }
    rows
}

/// Feeds `input` in slices of `feed` bytes; the header and the pieces.
fn split(
    dialect: Dialect,
    limits: Limits,
    input: &[u8],
    feed: usize,
) -> (Option<Vec<String>>, Vec<Piece>) {
    let mut splitter = Splitter::new(dialect, limits);
    let mut pieces = Vec::new();
    for (at, slice) in input.chunks(feed).enumerate() {
        if at % 2 == 0 {
            splitter.push(slice);
        } else {
            let mut rest = slice;
            while !rest.is_empty() {
                let space = splitter.space();
                let fits = rest.len().min(space.len());
                space[..fits].copy_from_slice(&rest[..fits]);
                splitter.filled(fits);
                rest = &rest[fits..];
            }
        }
        while let Some(piece) = splitter.next_piece().unwrap() {
            pieces.push(piece);
        }
    }
    splitter.finish();
    loop {
        match splitter.next_piece() {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => break,
            Err(engine::SplitError::Empty) => return (None, pieces),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(splitter.bytes(), input.len() as u64);
    assert_eq!(splitter.rows(), pieces.iter().map(|piece| piece.rows).sum());
    (splitter.header().map(<[String]>::to_vec), pieces)
}

fn line_of(input: &[u8], at: usize) -> u64 {
    let mut line = 1;
    for (i, &byte) in input[..at].iter().enumerate() {
        let starts_crlf = byte == b'\r' && input.get(i + 1) == Some(&b'\n');
        line += u64::from(byte == b'\n' || (byte == b'\r' && !starts_crlf));
    }
    line
}

fn is_start(line: u64) -> bool {
    line > 0
}

/// Everything that must hold where no record is over the cap.
fn check(dialect: Dialect, target_bytes: usize, input: &[u8], feed: usize) {
    let limits = Limits {
        target_bytes,
        cap_bytes: 1 << 20,
    };
    let (header, pieces) = split(dialect, limits, input, feed);
    let mut expected = reference(&dialect, input);
    if expected.is_empty() {
        assert_eq!(header, None);
    } else {
        let first = &expected[0];
        let names: Vec<String> = if dialect.has_header {
            first
                .iter()
                .map(|cell| String::from_utf8_lossy(cell).into_owned())
                .collect()
        } else {
            (1..=first.len()).map(|n| format!("column {n}")).collect()
        };
        assert_eq!(header, Some(names));
        if dialect.has_header {
            expected.remove(0);
        }
    }
    let mut rows = Vec::new();
    let mut byte = pieces.first().map_or(0, |piece| piece.first_byte);
    for piece in &pieces {
        assert!(!piece.body.is_empty() && piece.rejects.is_empty());
        assert_eq!(piece.first_byte, byte);
        assert_eq!(piece.first_record, rows.len() as u64);
        assert_eq!(piece.first_line, line_of(input, byte as usize), "line");
        assert!(is_start(piece.first_line));
        let end = byte as usize + piece.body.len();
        assert_eq!(piece.body, input[byte as usize..end]);
        assert!(piece.body.len() <= target_bytes + 1 || piece.rows <= 1);
        byte = end as u64;
        let read = read(&dialect, &piece.body);
        assert_eq!(read.len() as u64, piece.rows);
        rows.extend(read);
    }
    if !pieces.is_empty() {
        assert_eq!(byte, input.len() as u64);
    }
    assert_eq!(rows, expected);
}

/// Bytes that matter, most of the time.
fn nasty(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(b",".to_vec()),
        6 => Just(b"\n".to_vec()),
        3 => Just(b"\r\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        4 => Just(b"\"".to_vec()),
        4 => Just(b"\"a\"\"b,\n\"".to_vec()),
        3 => Just(b",\"x\",\"".to_vec()),
        1 => Just(b"\\".to_vec()),
        1 => Just(b"#".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        6 => "[a-z0-9 ]{1,9}".prop_map(String::into_bytes),
        1 => "[a-z]{60,200}".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..longest).prop_map(|pieces| pieces.concat())
}

/// Bytes that are mostly sound, so that blocks are read at once.
fn sound(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        6 => "[a-z0-9.:@-]{0,12}".prop_map(String::into_bytes),
        2 => "\"([a-z ,\n]|\"\"){0,20}\"".prop_map(String::into_bytes),
        1 => "\"([a-z ,\r\n]|\"\"){0,90}\"".prop_map(String::into_bytes),
    ];
    let end = prop_oneof![4 => Just(","), 1 => Just("\n"), 1 => Just("\r\n")];
    let cells = prop::collection::vec((cell, end), 0..longest);
    cells.prop_map(|cells| {
        let joined = cells
            .into_iter()
            .flat_map(|(cell, end)| [cell, end.as_bytes().to_vec()]);
        joined.collect::<Vec<_>>().concat()
    })
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let plain = (
        any::<bool>(),
        prop_oneof![9 => Just(Some(b'"')), 1 => Just(None)],
    );
    let plain = plain.prop_map(|(has_header, quote)| Dialect {
        has_header,
        quote,
        ..Dialect::default()
    });
    let odd = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let odd = odd.prop_map(|(has_header, double_quote, escape, comment)| Dialect {
        has_header,
        double_quote,
        escape: escape.then_some(b'\\'),
        comment: comment.then_some(b'#'),
        ..Dialect::default()
    });
    prop_oneof![3 => plain, 1 => odd]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn nasty_bytes_split_as_the_csv_crate_reads_them(
        dialect in dialects(), input in nasty(60), target in 1_usize..300, feed in 1_usize..200,
    ) {
        check(dialect, target, &input, feed);
    }

    #[test]
    fn sound_bytes_split_as_the_csv_crate_reads_them(
        dialect in dialects(), input in sound(120), target in 1_usize..3000, feed in 1_usize..3000,
    ) {
        check(dialect, target, &input, feed);
    }

    #[test]
    fn where_a_cut_falls_does_not_depend_on_the_feed(
        dialect in dialects(), input in nasty(60), target in 1_usize..100, cap in 1_usize..100,
        feeds in (1_usize..200, 1_usize..200),
    ) {
        let limits = Limits { target_bytes: target, cap_bytes: cap };
        let try_split = |feed| std::panic::catch_unwind(|| split(dialect, limits, &input, feed)).ok();
        prop_assert_eq!(try_split(feeds.0), try_split(feeds.1));
    }
}

/// More with `ENGINE_CASES=100000`.
fn cases() -> u32 {
    std::env::var("ENGINE_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(2000)
}
