//! Compares the splitter with the csv crate: for any bytes, feed and target, the pieces joined are the input without
//! the rejects, and their records are those of `csv::Reader`.

#![allow(clippy::unwrap_used)] // a helper of a test may panic

mod support;

use engine::{Dialect, Limits, Piece, Splitter};
use proptest::prelude::*;
use proto::v1::Reject;
use support::{Split, check, line_of, split, take};

/// Splits `input` with a splitter that resumes after the first `taken` pieces, and with one that reads everything.
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
    let place = whole.position();
    let mut rest = Splitter::resume(dialect, limits, header, place);
    rest.push(&input[place.byte as usize..]);
    rest.finish();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    take(&mut whole, &mut expected).ok()?;
    take(&mut rest, &mut found).unwrap();
    Some((expected, found, [whole, rest]))
}

/// Mostly bytes with a meaning.
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

/// Mostly regular bytes, so that blocks are scanned at once.
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

/// Splits at once, with a limit of 100 bytes.
fn capped(dialect: Dialect, target_bytes: usize, input: &str) -> Split {
    let limits = Limits {
        target_bytes,
        cap_bytes: 100,
    };
    split(dialect, limits, input.as_bytes(), input.len().max(1))
}

fn rejects(split: &Split) -> Vec<&Reject> {
    let pieces = split.pieces.iter();
    pieces.flat_map(|piece| &piece.rejects).collect()
}

fn bodies(split: &Split) -> String {
    let bodies: Vec<u8> = split.pieces.iter().flat_map(|p| p.body.to_vec()).collect();
    String::from_utf8(bodies).unwrap()
}

#[test]
fn a_record_over_the_limit_is_rejected_and_the_next_good_one_is_found() {
    let long = format!("1,\"closed\",{}\r\n", "x,y".repeat(40));
    let input = format!("a,b\n0,before\n{long}3,sound\n");
    for target in [1, 40, 100] {
        let split = capped(Dialect::default(), target, &input);
        let [reject] = rejects(&split)[..] else {
            panic!("{split:?}")
        };
        assert_eq!((reject.record, reject.line, reject.byte), (1, 3, 13));
        assert_eq!(reject.reason, "record is longer than 100 bytes");
        assert_eq!(reject.raw, &long.as_bytes()[..100]);
        assert_eq!(bodies(&split), "0,before\n3,sound\n");
        for piece in &split.pieces {
            let line = line_of(input.as_bytes(), piece.first_byte as usize);
            assert_eq!(piece.first_line, line);
        }
    }
}

#[test]
fn a_quote_that_never_closes_rejects_its_line_and_no_more() {
    for (end, filler) in [("\n", 3), ("\r\n", 3), ("\r", 3), ("\n", 60)] {
        // Fewer bytes than the limit up to the end of the input, or more.
        let rest = format!("2,sound{end}").repeat(filler);
        let input = format!("a,b{end}0,\"be{end}fore\"{end}1,\"12 inch{end}{rest}");
        for target in [1, 40, 100] {
            let split = capped(Dialect::default(), target, &input);
            let [reject] = rejects(&split)[..] else {
                panic!("{split:?}")
            };
            let byte = input.find("1,").unwrap() as u64;
            assert_eq!((reject.record, reject.line, reject.byte), (1, 4, byte));
            let closes = match filler {
                60 => "does not close within 100 bytes",
                _ => "never closes",
            };
            assert_eq!(
                reject.reason,
                format!(
                    "a quote opened on line 4 {closes}: `1,\"12 inch`; if quotes mean nothing in this \
                     file, pass --quote none"
                )
            );
            assert_eq!(reject.raw, b"1,\"12 inch");
            assert_eq!(bodies(&split), format!("0,\"be{end}fore\"{end}{rest}"));
        }
    }
}

#[test]
fn the_lines_before_a_quote_that_never_closes_are_rejected_with_it() {
    let split = capped(Dialect::default(), 50, "a,b\n1,\"x\ny\",\"z\n2,3\n");
    let [reject] = rejects(&split)[..] else {
        panic!("{split:?}")
    };
    assert_eq!((reject.line, &reject.raw[..]), (2, &b"1,\"x\ny\",\"z"[..]));
    assert!(
        reject.reason.contains("line 3 never closes: `y\",\"z`"),
        "{}",
        reject.reason
    );
    assert_eq!(bodies(&split), "2,3\n");
}

#[test]
fn a_quote_that_never_closes_in_a_line_without_end_takes_that_line() {
    let input = format!("a,b\n1,\"{}\n2,3\n", "x".repeat(200));
    let split = capped(Dialect::default(), 50, &input);
    assert_eq!(
        (rejects(&split).len(), bodies(&split)),
        (1, "2,3\n".to_owned())
    );
    assert_eq!(split.pieces.last().unwrap().first_line, 3);
    let split = capped(Dialect::default(), 50, "a,b\n1,\"x");
    assert_eq!((rejects(&split).len(), bodies(&split)), (1, String::new()));
}

#[test]
fn lone_quotes_are_scanned_at_most_twice() {
    let cap = 100;
    // Mostly lines that neither open nor close a quote, seldom one that does.
    let rare = ["\"x", ",\"y", "\"", "a\"b,\"c", "a,\\\"", "\"\"\""];
    let usual = ["\"\"", "\"\"\"\"", "x,y"];
    let (mut random, mut seen) = (7_u64, 0);
    for dialect in [
        Dialect::default(),
        Dialect {
            escape: Some(b'\\'),
            double_quote: false,
            ..Dialect::default()
        },
    ] {
        for _ in 0..300 {
            let mut input = "a,b\n".to_owned();
            for _ in 0..300 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (random >> 33) as usize % 200;
                input.push_str(rare.get(at).unwrap_or(&usual[at % 3]));
                input.push('\n');
            }
            let split = capped(dialect, 50, &input);
            let rejects = rejects(&split);
            let open: Vec<_> = rejects
                .iter()
                .filter(|r| r.reason.starts_with("a quote opened"))
                .collect();
            for three in open.windows(3) {
                seen += 1;
                assert!(three[2].byte - three[0].byte >= cap, "{input}");
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_record_without_end_is_reported_even_if_no_body_follows() {
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
fn a_header_without_end_is_an_error_that_says_where_a_quote_opened() {
    for (rest, closes) in [
        (10, "never closes"),
        (1000, "does not close within 100 bytes"),
    ] {
        let input = format!("\n\na,\"b\n{}", "x".repeat(rest));
        let error = capped(Dialect::default(), 50, &input).error.unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "the header, on line 3, does not end: a quote opened on line 3 {closes}: `a,\"b`; if \
                 quotes mean nothing in this file, pass --quote none"
            )
        );
    }
    let error = capped(Dialect::default(), 50, &"x".repeat(1000))
        .error
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the header, on line 1, is longer than 100 bytes"
    );
}

#[test]
fn an_empty_input_and_a_header_alone_differ() {
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
            prop_assert_eq!((rest.position(), rest.bytes()), (whole.position(), whole.bytes()));
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

/// More cases with `ENGINE_CASES=100000`. No file of failed cases: the output is enough to write a test.
fn config() -> ProptestConfig {
    let cases = std::env::var("ENGINE_CASES").ok();
    ProptestConfig {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
