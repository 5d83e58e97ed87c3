//! The splitter against the csv crate: for any bytes, any feed and any target, the pieces joined are
//! the input and their records are those of `csv::Reader`.

#![allow(clippy::unwrap_used)] // a helper of a test may panic

use engine::records::Records;
use engine::{Dialect, Limits, Piece, SplitError, Splitter};
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

/// What a splitter gave: the columns, the pieces, and what stopped it.
#[derive(Debug, PartialEq)]
struct Split {
    header: Option<Vec<String>>,
    pieces: Vec<Piece>,
    error: Option<SplitError>,
}

/// Feeds `input` in slices of `feed` bytes, by copying and in place by turns.
fn split(dialect: Dialect, limits: Limits, input: &[u8], feed: usize) -> Split {
    let mut splitter = Splitter::new(dialect, limits);
    let mut pieces = Vec::new();
    let mut error = None;
    for (at, slice) in input.chunks(feed).enumerate() {
        if at % 2 == 0 {
            splitter.push(slice);
        } else {
            fill(&mut splitter, slice);
        }
        error = error.or(take(&mut splitter, &mut pieces).err());
    }
    splitter.finish();
    error = error.or(take(&mut splitter, &mut pieces).err());
    assert_eq!(splitter.bytes(), input.len() as u64);
    assert_eq!(splitter.rows(), pieces.iter().map(|piece| piece.rows).sum());
    let rejects = pieces.iter().map(|piece| piece.rejects.len() as u64);
    assert_eq!(splitter.rejected(), rejects.sum());
    Split {
        header: splitter.header().map(<[String]>::to_vec),
        pieces,
        error,
    }
}

fn fill(splitter: &mut Splitter, mut rest: &[u8]) {
    while !rest.is_empty() {
        let space = splitter.space();
        let fits = rest.len().min(space.len());
        space[..fits].copy_from_slice(&rest[..fits]);
        splitter.filled(fits);
        rest = &rest[fits..];
    }
}

fn take(splitter: &mut Splitter, pieces: &mut Vec<Piece>) -> Result<(), SplitError> {
    while let Some(piece) = splitter.next_piece()? {
        pieces.push(piece);
    }
    Ok(())
}

/// What is split of `input` by a splitter that starts after the first `taken` pieces, and by one that
/// went all the way.
fn split_from(
    dialect: Dialect,
    limits: Limits,
    input: &[u8],
    taken: usize,
) -> Option<(Vec<Piece>, Vec<Piece>, [Splitter; 2])> {
    let mut whole = Splitter::new(dialect, limits);
    whole.push(input);
    whole.finish();
    for _ in 0..taken {
        whole.next_piece().ok()??;
    }
    let header = whole.header().map(<[String]>::to_vec);
    let place = whole.place();
    let mut rest = Splitter::resume(dialect, limits, header, place);
    rest.push(&input[place.byte as usize..]);
    rest.finish();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    take(&mut whole, &mut expected).ok()?;
    take(&mut rest, &mut found).unwrap();
    Some((expected, found, [whole, rest]))
}

fn line_of(input: &[u8], at: usize) -> u64 {
    let mut line = 1;
    for (i, &byte) in input[..at].iter().enumerate() {
        let starts_crlf = byte == b'\r' && input.get(i + 1) == Some(&b'\n');
        line += u64::from(byte == b'\n' || (byte == b'\r' && !starts_crlf));
    }
    line
}

/// Everything that must hold where no record is over the cap.
fn check(dialect: Dialect, target_bytes: usize, input: &[u8], feed: usize) {
    let limits = Limits {
        target_bytes,
        cap_bytes: 1 << 20,
    };
    let Split {
        header,
        pieces,
        error,
    } = split(dialect, limits, input, feed);
    let mut expected = reference(&dialect, input);
    if expected.is_empty() {
        assert_eq!((header, error), (None, Some(SplitError::Empty)));
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

/// Splits at once, with a cap of 100 bytes.
fn capped(dialect: Dialect, target_bytes: usize, input: &str) -> Split {
    let limits = Limits {
        target_bytes,
        cap_bytes: 100,
    };
    split(dialect, limits, input.as_bytes(), input.len().max(1))
}

#[test]
fn a_record_over_the_cap_is_rejected_and_the_next_sound_one_is_found() {
    let open = format!("1,\"never closed\r\n{}\n2,sound\r\n", "x,y\n".repeat(40));
    let input = format!("a,b\n0,before\n{open}3,sound\n");
    for target in [1, 40, 100] {
        let Split { pieces, error, .. } = capped(Dialect::default(), target, &input);
        assert_eq!(error, None);
        let rejects: Vec<_> = pieces.iter().flat_map(|piece| &piece.rejects).collect();
        let [reject] = rejects[..] else {
            panic!("{rejects:?}")
        };
        assert_eq!((reject.record, reject.line, reject.byte), (1, 3, 13));
        assert_eq!(
            reject.reason,
            "record is longer than 100 bytes (a quote opened on line 3 may never close)"
        );
        assert_eq!(reject.raw, &open.as_bytes()[..100]);
        let bodies: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.body.to_vec())
            .collect();
        let bodies = String::from_utf8(bodies).unwrap();
        // Records are looked for again from the first line end behind the cap.
        let rest = &open[100..];
        let rest = &rest[rest.find('\n').unwrap() + 1..];
        assert_eq!(bodies, format!("0,before\n{rest}3,sound\n"));
        for piece in &pieces {
            let line = line_of(input.as_bytes(), piece.first_byte as usize);
            assert_eq!(piece.first_line, line);
        }
    }
}

#[test]
fn a_record_without_end_is_told_of_though_no_body_comes_after_it() {
    let input = format!("a,b\n1,2\n3,{}", "x".repeat(1000));
    let Split { pieces, .. } = capped(Dialect::default(), 50, &input);
    assert_eq!(pieces.len(), 2);
    assert_eq!((pieces[1].rows, pieces[1].body.len()), (0, 0));
    assert_eq!(pieces[1].first_record, 2);
    assert_eq!(
        pieces[1].rejects[0].reason,
        "record is longer than 100 bytes"
    );
}

#[test]
fn a_header_over_the_cap_is_an_error_that_says_where_a_quote_opened() {
    let input = format!("\n\na,\"b\n{}", "x".repeat(1000));
    let error = capped(Dialect::default(), 50, &input).error.unwrap();
    assert_eq!(
        error.to_string(),
        "the header, on line 3, is longer than 100 bytes (a quote opened on line 3 may never close)"
    );
}

#[test]
fn nothing_and_a_header_alone_are_told_apart() {
    for input in ["", "\n\r\n", "\u{feff}"] {
        let split = capped(Dialect::default(), 50, input);
        assert_eq!(split.error.unwrap().to_string(), "the input is empty");
    }
    for input in ["a,b,a", "a,b,a\n", "\u{feff}a,b,a\r\n"] {
        let split = capped(Dialect::default(), 50, input);
        assert_eq!((split.pieces, split.error), (vec![], None));
        let header = ["a", "b", "a"].map(str::to_owned).to_vec();
        assert_eq!(split.header, Some(header));
    }
}

#[test]
fn an_input_that_was_cut_off_loses_its_last_record_only_and_says_so() {
    let limits = Limits {
        target_bytes: 10,
        cap_bytes: 100,
    };
    let torn = |input: &str| {
        let mut splitter = Splitter::new(Dialect::default(), limits);
        splitter.push(input.as_bytes());
        splitter.finish_torn();
        let mut pieces = Vec::new();
        take(&mut splitter, &mut pieces).unwrap();
        let rejects: Vec<_> = pieces.iter().flat_map(|p| p.rejects.clone()).collect();
        assert_eq!(splitter.rejected(), rejects.len() as u64);
        (splitter.rows(), rejects, splitter.bytes())
    };
    assert_eq!(torn("a,b\n1,2\n3,4\n"), (2, vec![], 12));
    for tail in ["5", "5,\"x\ny", "5,a tail longer than the target"] {
        let (rows, rejects, bytes) = torn(&format!("a,b\n1,2\n3,4\n{tail}"));
        assert_eq!((rows, bytes), (2, 12 + tail.len() as u64));
        let [reject] = &rejects[..] else {
            panic!("{rejects:?}")
        };
        assert_eq!((reject.record, reject.line, reject.byte), (2, 4, 12));
        assert_eq!(reject.reason, "the input was cut off within this record");
        assert_eq!(reject.raw, tail.as_bytes());
    }
}

#[test]
fn rejects_never_pile_up() {
    let mut splitter = Splitter::new(
        Dialect::default(),
        Limits {
            target_bytes: 10,
            cap_bytes: 10,
        },
    );
    splitter.push(b"a\n");
    let mut most = 0;
    for _ in 0..1000 {
        splitter.push(b"0123456789abc\n");
        while let Some(piece) = splitter.next_piece().unwrap() {
            most = most.max(piece.rejects.len());
        }
    }
    assert_eq!((most, splitter.rejected()), (100, 1000));
}

proptest! {
    #![proptest_config(config())]

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
    fn a_resumed_splitter_cuts_as_the_first_one_would_have(
        dialect in dialects(), input in nasty(60), target in 1_usize..100, cap in 1_usize..100,
        taken in 1_usize..30,
    ) {
        let limits = Limits { target_bytes: target, cap_bytes: cap };
        if let Some((expected, found, [whole, rest])) = split_from(dialect, limits, &input, taken) {
            prop_assert_eq!(found, expected);
            prop_assert_eq!(rest.header(), whole.header());
            prop_assert_eq!((rest.place(), rest.bytes()), (whole.place(), whole.bytes()));
            prop_assert_eq!((rest.rows(), rest.rejected()), (whole.rows(), whole.rejected()));
        }
    }

    #[test]
    fn where_a_cut_falls_does_not_depend_on_the_feed(
        dialect in dialects(), input in nasty(60), target in 1_usize..100, cap in 1_usize..100,
        feeds in (1_usize..200, 1_usize..200),
    ) {
        let limits = Limits { target_bytes: target, cap_bytes: cap };
        prop_assert_eq!(
            split(dialect, limits, &input, feeds.0),
            split(dialect, limits, &input, feeds.1)
        );
    }
}

/// More cases with `ENGINE_CASES=100000`. No file of failed ones: what is printed is enough to write a
/// test.
fn config() -> ProptestConfig {
    let cases = std::env::var("ENGINE_CASES").ok();
    ProptestConfig {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
